import type { JsonObject } from "@bufbuild/protobuf";

/** Whose token it is. Both never change. */
export interface Owner {
  readonly tenant: string;
  readonly subject: string;
}

/** What is kept of a secret: an HMAC-SHA-256 under one of the service's keys. Times and spans are milliseconds. */
export interface SecretDigest {
  readonly keyVersion: number;
  readonly digest: Uint8Array;
  /** Which entry of the keys file tells how an imported secret turns into what the digest is of. Empty: made here. */
  readonly source: string;
  /** The moment from which the secret is not accepted any more: the end of a grace. Undefined: as long as the token. */
  readonly until: number | undefined;
  /**
   * Set: the secret was not used yet. Its first use gives all others of the token this much time, and then it is just
   * the token's secret. Undefined: it is that already.
   */
  readonly pendingGrace: number | undefined;
}

/**
 * A token's record, as the stores keep it. Immutable: a change is a new record that replaces the old one.
 * Times are milliseconds since 1970. The fields without a comment are those of `latchkey.v1.Token`.
 */
export interface Token extends Owner {
  /** Counts every write; what `TokenStore.replace` compares. Starts at 1. */
  readonly version: number;
  /** Counts the edits that callers see as a new etag. Starts at 1. */
  readonly revision: number;
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  readonly hint: string;
  /** Sorted, without repeats. */
  readonly scopes: readonly string[];
  /** Sorted, without repeats. */
  readonly audiences: readonly string[];
  readonly claims: JsonObject | undefined;
  readonly clientId: string;
  /** Empty if it has none. A parent is always of the same owner. */
  readonly parentId: string;
  readonly creator: string;
  readonly createTime: number;
  /** Undefined: permanent. */
  readonly expireTime: number | undefined;
  /** When the store drops the record: `endOf` plus the kind's retention. Undefined: never. */
  readonly purgeTime: number | undefined;
  readonly lastUsedTime: number | undefined;
  /** How long it may go unused before it expires. Undefined: for ever. */
  readonly idleTimeout: number | undefined;
  readonly active: boolean;
  /** Undefined: unlimited. */
  readonly usesLeft: number | undefined;
  readonly digests: readonly SecretDigest[];
  /** Whether its label is unique among the live tokens of its owner and kind. */
  readonly holdsLabel: boolean;
  /** Whether it counts against the cap of its owner and kind. */
  readonly holdsPlace: boolean;
}

export type Status = "ACTIVE" | "INACTIVE" | "EXPIRED" | "EXHAUSTED";

type Times = Pick<Token, "expireTime" | "idleTimeout" | "lastUsedTime" | "createTime">;

/** When the token expires for want of use, if it is not used before. Undefined: it may go unused for ever. */
export function idleEndOf({ idleTimeout, lastUsedTime, createTime }: Omit<Times, "expireTime">): number | undefined {
  return idleTimeout === undefined ? undefined : (lastUsedTime ?? createTime) + idleTimeout;
}

/** When the token ends as things stand: at its expiry, or before that for want of use. Undefined: never. */
export function endOf(times: Times): number | undefined {
  const idleEnd = idleEndOf(times);
  return idleEnd === undefined ? times.expireTime : Math.min(times.expireTime ?? idleEnd, idleEnd);
}

/** Whether the token is past its end, from which it does not come back. */
export function hasEnded(token: Token, now: number): boolean {
  const end = endOf(token);
  return end !== undefined && end <= now;
}

/** The status at `now`. What can't be undone comes first. */
export function statusOf(token: Token, now: number): Status {
  if (hasEnded(token, now)) return "EXPIRED";
  if (token.usesLeft === 0) return "EXHAUSTED";
  return token.active ? "ACTIVE" : "INACTIVE";
}

/** Whether the record is past its retention. A store may still hold it for a moment; to everyone else it is gone. */
export function isPurged(token: Token, now: number): boolean {
  return token.purgeTime !== undefined && token.purgeTime <= now;
}

/**
 * Until when the token keeps its unique label and its place under a cap: its end, or at once when it is used up.
 * A token that is only switched off keeps both, because it can come back.
 */
export function holdsUntil(token: Token): number | undefined {
  return token.usesLeft === 0 ? 0 : endOf(token);
}

/** Whether the token keeps its label and its place at `now`. */
export function isLive(token: Token, now: number): boolean {
  return (holdsUntil(token) ?? Number.POSITIVE_INFINITY) > now;
}

/** The next version of a record. */
export function changed(token: Token, changes: Partial<Token>): Token {
  return { ...token, ...changes, version: token.version + 1 };
}

/**
 * The next version of a record after a use at `now`, which moves on the end of a token that must not go unused, unless it has ended
 * already. A clock that is behind takes nothing back.
 */
export function used(token: Token, now: number, changes: Partial<Token> = {}): Token {
  if (hasEnded(token, now)) return changed(token, changes);
  const next = changed(token, { ...changes, lastUsedTime: Math.max(now, token.lastUsedTime ?? now) });
  if (token.idleTimeout === undefined || changes.purgeTime !== undefined) return next;
  const retention = (token.purgeTime ?? 0) - (endOf(token) ?? 0);
  return { ...next, purgeTime: (endOf(next) ?? 0) + retention };
}

/** The next version of a record, in a change that callers see as a new etag. */
export function edited(token: Token, changes: Partial<Token>): Token {
  return changed(token, { ...changes, revision: token.revision + 1 });
}
