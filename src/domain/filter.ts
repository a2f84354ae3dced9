import { type Status, statusOf, type Token } from "./token.ts";

/** Conditions on tokens. They add up; an absent one does not count. Times are milliseconds since 1970. */
export interface Filter {
  readonly kinds?: readonly string[] | undefined;
  readonly status?: Status | undefined;
  readonly permanent?: boolean | undefined;
  readonly label?: string | undefined;
  readonly parentId?: string | undefined;
  readonly clientId?: string | undefined;
  /** One of these. */
  readonly ids?: readonly string[] | undefined;
  /** None of these. */
  readonly exceptIds?: readonly string[] | undefined;
  readonly created?: Period | undefined;
  /** A permanent token is in no such period. */
  readonly expiring?: Period | undefined;
  /** A token that was never used is in no such period. */
  readonly lastUsed?: Period | undefined;
}

/** From `after` on, until just before `before`. */
export interface Period {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
}

/** How to tell whether a token meets all conditions at `now`. Made once for many tokens: lists can be long. */
export function createMatcher(filter: Filter, now: number): (token: Token) => boolean {
  const kinds = filter.kinds && new Set(filter.kinds);
  const ids = filter.ids && new Set(filter.ids);
  const exceptIds = new Set(filter.exceptIds);
  return (token) =>
    (kinds === undefined || kinds.has(token.kind)) &&
    (ids === undefined || ids.has(token.id)) &&
    !exceptIds.has(token.id) &&
    (filter.status === undefined || filter.status === statusOf(token, now)) &&
    (filter.permanent === undefined || filter.permanent === (token.expireTime === undefined)) &&
    (filter.label === undefined || filter.label === token.label) &&
    (filter.parentId === undefined || filter.parentId === token.parentId) &&
    (filter.clientId === undefined || filter.clientId === token.clientId) &&
    isWithin(filter.created, token.createTime) &&
    isWithin(filter.expiring, token.expireTime) &&
    isWithin(filter.lastUsed, token.lastUsedTime);
}

function isWithin(period: Period | undefined, time: number | undefined): boolean {
  if (period === undefined) return true;
  if (time === undefined) return false;
  return (period.after === undefined || time >= period.after) && (period.before === undefined || time < period.before);
}
