import type { JsonObject } from "@bufbuild/protobuf";

/** Whose token it is. Both never change. */
export interface Owner {
  readonly tenant: string;
  readonly subject: string;
}

/** What is kept of a secret: an HMAC-SHA-256 under one of the service's keys. */
export interface SecretDigest {
  readonly keyVersion: number;
  readonly digest: Uint8Array;
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
  /** When the store drops the record: expiry plus the kind's retention. Undefined: never. */
  readonly purgeTime: number | undefined;
  readonly lastUsedTime: number | undefined;
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

/** The status at `now`. What can't be undone comes first. */
export function statusOf(token: Token, now: number): Status {
  if (token.expireTime !== undefined && token.expireTime <= now) return "EXPIRED";
  if (token.usesLeft === 0) return "EXHAUSTED";
  return token.active ? "ACTIVE" : "INACTIVE";
}

/** Whether the record is past its retention. A store may still hold it for a moment; to everyone else it is gone. */
export function isPurged(token: Token, now: number): boolean {
  return token.purgeTime !== undefined && token.purgeTime <= now;
}

/**
 * Until when the token keeps its unique label and its place under a cap: its expiry, or at once when it is used up.
 * A token that is only switched off keeps both, because it can come back.
 */
export function holdsUntil(token: Token): number | undefined {
  return token.usesLeft === 0 ? 0 : token.expireTime;
}

/** The next version of a record. */
export function changed(token: Token, changes: Partial<Token>): Token {
  return { ...token, ...changes, version: token.version + 1 };
}

/** The next version of a record, in a change that callers see as a new etag. */
export function edited(token: Token, changes: Partial<Token>): Token {
  return changed(token, { ...changes, revision: token.revision + 1 });
}
