import { fieldError } from "../errors.ts";
import type { Kind } from "./kinds.ts";
import { addSpan, inWords, parseSpan, SPAN_FORM } from "./span.ts";

/** The last millisecond of the year 9999: the end of what a protobuf Timestamp can hold. */
const END_OF_TIME = 253_402_300_799_999;
/** How much shorter than an allowed life a moment may be: it was reckoned by another clock, and perhaps cut to seconds. */
const SLACK = 1000;

/** How long a token is to live, as its creator asks for it. Durations and times are milliseconds. */
export type Lifetime =
  | { readonly type: "default" }
  | { readonly type: "ttl"; readonly duration: number }
  | { readonly type: "until"; readonly time: number }
  /** In words, or as an ISO 8601 duration. */
  | { readonly type: "life"; readonly text: string }
  | { readonly type: "permanent" };

/** The field of a request in which a lifetime stands. */
export function lifetimeField(lifetime: Lifetime): string {
  return { default: "", ttl: "ttl", until: "expire_time", life: "life", permanent: "permanent" }[lifetime.type];
}

/**
 * When a token expires that is asked for at `now`; undefined: never.
 *
 * @throws LIFETIME_INVALID, LIFETIME_TOO_LONG or PERMANENT_NOT_ALLOWED
 */
export function resolveExpireTime(kind: Kind, lifetime: Lifetime, now: number): number | undefined {
  const field = lifetimeField(lifetime);
  switch (lifetime.type) {
    case "default":
      return kind.defaultLifetime === undefined ? undefined : addSpan(now, kind.defaultLifetime);
    case "permanent":
      requirePermanent(kind, "permanent");
      return undefined;
    case "ttl":
      return resolveLife(kind, field, now + lifetime.duration, now);
    case "life":
      return resolveLife(kind, field, addSpan(now, readLife(lifetime.text)), now);
    case "until":
      return resolveLife(kind, field, lifetime.time, now, SLACK);
  }
}

function readLife(text: string) {
  const span = parseSpan(text);
  if (span === undefined) throw fieldError("LIFETIME_INVALID", "life", `must be ${SPAN_FORM}`);
  return span;
}

/** @throws PERMANENT_NOT_ALLOWED, about `field`, which asks for a permanent token: by itself, or by being left out */
export function requirePermanent({ name, permanent }: Kind, field: "permanent" | "expire_time"): void {
  if (permanent) return;
  const fault = field === "permanent" ? `not for tokens of kind ${name}` : `is missing: tokens of kind ${name} expire`;
  throw fieldError("PERMANENT_NOT_ALLOWED", field, fault);
}

/**
 * Checks an expiry that is asked for at `now`; answers it in whole milliseconds.
 *
 * @throws LIFETIME_INVALID or LIFETIME_TOO_LONG, about `field`
 */
export function checkExpireTime(kind: Kind, field: string, expireTime: number, now: number): number {
  const time = checkMoment(field, expireTime, now);
  if (kind.maxLifetime !== undefined && time > addSpan(now, kind.maxLifetime)) {
    const longest = inWords(kind.maxLifetime);
    throw fieldError("LIFETIME_TOO_LONG", field, `tokens of kind ${kind.name} live ${longest} at most`);
  }
  return time;
}

/** The same for a new token: where its kind names lives, it must be one of them, or less than `slack` shorter. */
function resolveLife(kind: Kind, field: string, expireTime: number, now: number, slack = 1): number {
  const { allowedLifetimes } = kind;
  if (allowedLifetimes === undefined) return checkExpireTime(kind, field, expireTime, now);
  const time = checkMoment(field, expireTime, now);
  const ends = allowedLifetimes.map((span) => addSpan(now, span));
  if (ends.some((end) => time <= end && time > end - slack)) return time;
  const lives = new Intl.ListFormat("en", { type: "disjunction" }).format(allowedLifetimes.map(inWords));
  throw fieldError("LIFETIME_INVALID", field, `tokens of kind ${kind.name} live ${lives}`);
}

function checkMoment(field: string, expireTime: number, now: number): number {
  const time = Math.floor(expireTime);
  if (!(time > now))
    throw fieldError("LIFETIME_INVALID", field, "must end in the future, a millisecond from now or later");
  if (time > END_OF_TIME) throw fieldError("LIFETIME_INVALID", field, "must end before the year 10000");
  return time;
}

/** When the record of a token with this expiry is dropped; undefined: never. */
export function purgeTimeOf(kind: Kind | undefined, expireTime: number | undefined): number | undefined {
  return expireTime === undefined ? undefined : expireTime + (kind?.retention ?? 0);
}
