import ms from "ms";
import { z } from "zod";

/** Text such as `15 minutes`, `10h` or `90d`; becomes milliseconds. */
export const duration = z.string().transform((text, context) => {
  // Without a unit the library takes milliseconds; a person who leaves the unit out means something else.
  const span = /^\d{1,9}(\.\d{1,9})?\s?[a-z]{1,12}$/i.test(text) ? ms(text as ms.StringValue) : undefined;
  if (span !== undefined && span >= 1) return Math.floor(span);
  context.addIssue('must be a duration such as "15 minutes", "10h" or "90d"');
  return z.NEVER;
});
