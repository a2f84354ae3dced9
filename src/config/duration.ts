import { z } from "zod";
import { lengthOf, parseSpan, type Span } from "../domain/span.ts";

/** Beyond every need, and short of where dates end. */
const LONGEST = lengthOf({ months: 12_000, ms: 0 });
const FORM = 'must be a duration such as "15 minutes", "10h" or "90d"';

/** Text such as `15 minutes`, `10h`, `90d` or `P30D`; becomes a span, in which years and months go by the calendar. */
export const life = z
  .string(FORM)
  .transform((text, context): Span => {
    const span = parseSpan(text) ?? 0;
    if (lengthOf(span) >= 1) return span;
    context.addIssue(FORM);
    return z.NEVER;
  })
  .refine((span) => lengthOf(span) <= LONGEST, "must be 1000 years at most");

/** The same where nothing begins at a known moment; becomes milliseconds. A year counts 365 days then, and a month 30. */
export const duration = life.transform(lengthOf);

/** A duration, or the word for none. */
export function durationOr<Word extends string, S extends z.ZodType>(word: Word, span: S) {
  const message = `must be a duration such as "10h" or "90d", 1000 years at most, or "${word}"`;
  return z.union([z.literal(word), span], message);
}
