import ms from "ms";
import { fieldError } from "../errors.ts";
import type { Kind } from "./kinds.ts";

/** The last millisecond of the year 9999: the end of what a protobuf Timestamp can hold. */
const END_OF_TIME = 253_402_300_799_999;

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
  switch (lifetime.type) {
    case "default":
      return kind.defaultLifetime === undefined ? undefined : now + kind.defaultLifetime;
    case "permanent":
      requirePermanent(kind, "permanent");
      return undefined;
    case "ttl":
      return checkExpireTime(kind, "ttl", now + lifetime.duration, now);
    case "life":
      throw fieldError("LIFETIME_INVALID", "life", "texts come with the helper");
    case "until":
      return checkExpireTime(kind, "expire_time", lifetime.time, now);
  }
}

/** @throws PERMANENT_NOT_ALLOWED, about `field` */
export function requirePermanent(kind: Kind, field: string): void {
  if (!kind.permanent) throw fieldError("PERMANENT_NOT_ALLOWED", field, `not for tokens of kind ${kind.name}`);
}

function checkExpireTime(kind: Kind, field: string, expireTime: number, now: number): number {
  const time = Math.floor(expireTime);
  if (!(time > now))
    throw fieldError("LIFETIME_INVALID", field, "must end in the future, a millisecond from now or later");
  if (time > END_OF_TIME) throw fieldError("LIFETIME_INVALID", field, "must end before the year 10000");
  if (kind.maxLifetime !== undefined && time - now > kind.maxLifetime) {
    const longest = ms(kind.maxLifetime, { long: true });
    throw fieldError("LIFETIME_TOO_LONG", field, `tokens of kind ${kind.name} live ${longest} at most`);
  }
  return time;
}

/** When the record of a token with this expiry is dropped; undefined: never. */
export function purgeTimeOf(kind: Kind | undefined, expireTime: number | undefined): number | undefined {
  return expireTime === undefined ? undefined : expireTime + (kind?.retention ?? 0);
}
