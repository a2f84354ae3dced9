import ms from "ms";
import { z } from "zod";

/** A time span with its unit, such as `30s` or `10 minutes`; becomes milliseconds. */
export const duration = z.string().transform((text, context) => {
  // Without a unit the number would silently mean milliseconds.
  const span = /^\d{1,9} ?[a-z]+$/i.test(text) ? ms(text as ms.StringValue) : undefined;
  if (Number.isSafeInteger(span)) return span as number;
  context.addIssue({ code: "custom", message: "must be a time span such as 30s or 10 minutes" });
  return z.NEVER;
});
