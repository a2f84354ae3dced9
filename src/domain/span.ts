import { DateTime, Duration, type DurationUnit } from "luxon";

/** How long something lasts: milliseconds; or months by the calendar (UTC), and milliseconds after them. */
export type Span = number | { readonly months: number; readonly ms: number };

/** Which texts `parseSpan` takes, for error messages. */
export const SPAN_FORM =
  'a number and a unit ("6 hours", "90d", "1 hour 30 minutes"), or an ISO 8601 duration ("P30D")';

const UNIT_NAMES: Partial<Record<DurationUnit, readonly string[]>> = {
  years: ["y", "yr", "yrs", "year", "years"],
  months: ["mo", "mos", "month", "months"],
  weeks: ["w", "wk", "wks", "week", "weeks"],
  days: ["d", "day", "days"],
  hours: ["h", "hr", "hrs", "hour", "hours"],
  minutes: ["m", "min", "mins", "minute", "minutes"],
  seconds: ["s", "sec", "secs", "second", "seconds"],
  milliseconds: ["ms", "msec", "msecs", "millisecond", "milliseconds"],
};
const UNITS = new Map(
  Object.entries(UNIT_NAMES).flatMap(([unit, names]) => names.map((name) => [name, unit] as const)),
);

const WORDS = /^\d+(?:\.\d+)? ?[a-zA-Z]+(?: ?\d+(?:\.\d+)? ?[a-zA-Z]+)*$/;
const TERM = /(\d+(?:\.\d+)?) ?([a-zA-Z]+)/g;

/** What luxon reads beyond the standard: signs, nothing at all, and nothing after the T. */
const NOT_ISO = /-|^P$|T$/;

/**
 * Reads a length of time such as `6 hours`, `90d`, `1 hour 30 minutes`, `3 months` or `P1Y2M`. Parts of a millisecond do not count.
 * Undefined: the text is none, or has no whole number of months.
 */
export function parseSpan(text: string): Span | undefined {
  const duration = text.startsWith("P") ? parseIso(text) : parseWords(text);
  if (!duration?.isValid) return undefined;
  const { years = 0, months = 0, ...rest } = duration.toObject();
  const allMonths = years * 12 + months;
  if (!Number.isInteger(allMonths)) return undefined;
  // 1.001 s are 1000.9999999999999 ms in binary fractions.
  const ms = Math.floor(Duration.fromObject(rest).toMillis() + 1e-6);
  return allMonths === 0 ? ms : { months: allMonths, ms };
}

function parseIso(text: string): Duration | undefined {
  return NOT_ISO.test(text) ? undefined : Duration.fromISO(text);
}

function parseWords(text: string): Duration | undefined {
  if (!WORDS.test(text)) return undefined;
  const values: Record<string, number> = {};
  for (const [, amount, name = ""] of text.matchAll(TERM)) {
    // In capitals nobody knows whether minutes or months are meant.
    const unit = name === "M" ? undefined : UNITS.get(name.toLowerCase());
    if (unit === undefined || unit in values) return undefined;
    values[unit] = Number(amount);
  }
  return Duration.fromObject(values);
}

/** The moment (milliseconds since 1970) that is a span after another. Infinite where dates end before it. */
export function addSpan(time: number, span: Span): number {
  if (typeof span === "number") return time + span;
  const end = DateTime.fromMillis(time, { zone: "utc" }).plus({ months: span.months, milliseconds: span.ms });
  return end.isValid ? end.toMillis() : Number.POSITIVE_INFINITY;
}

/** A span in milliseconds, where it does not matter when it begins: a year has 365 days then, and a month 30. */
export function lengthOf(span: Span): number {
  return Duration.fromObject(partsOf(span)).toMillis();
}

/** A span of a millisecond or more in words that `parseSpan` reads: `1 day 12 hours`. */
export function inWords(span: Span): string {
  const { years, months, milliseconds } = partsOf(span);
  const rest = Duration.fromObject({ milliseconds }).shiftTo("days", "hours", "minutes", "seconds", "milliseconds");
  const duration = Duration.fromObject({ years, months, ...rest.toObject() }, { locale: "en" });
  // Without the commas between units and between thousands.
  return duration.toHuman({ showZeros: false }).replaceAll(",", "");
}

function partsOf(span: Span): { years: number; months: number; milliseconds: number } {
  const { months, ms } = typeof span === "number" ? { months: 0, ms: span } : span;
  return { years: Math.trunc(months / 12), months: months % 12, milliseconds: ms };
}
