import { setImmediate } from "node:timers/promises";
import { type Caller, nameOf, reaches, resolveOwner, resolveTenant } from "./caller.ts";
import type { Context } from "./context.ts";
import { createMatcher, type Filter } from "./filter.ts";
import { readPageToken, signPageToken } from "./page-token.ts";
import { isPurged, type Token } from "./token.ts";

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;
/** How many records one call looks at, so that a filter that matches little does not hold the store up (AIP-158). */
const MAX_LOOKED_AT = 2000;

/** What a caller wants to see. Empty texts mean: not said. */
export interface ListQuery {
  readonly tenant: string;
  readonly subject: string;
  readonly filter: Filter;
  /** 0: the default. */
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface TokenPage {
  readonly tokens: Token[];
  /** Empty: there is no more. */
  readonly nextPageToken: string;
}

/** One page of the tokens in the caller's reach that meet the filter. May be short, or empty, before the last page. */
export async function listTokens(
  context: Context,
  caller: Caller,
  query: ListQuery,
  signal?: AbortSignal,
): Promise<TokenPage> {
  const { tenant, subject } = resolveRange(caller, query);
  const scope = [nameOf(caller), tenant, subject, query.filter];
  const size = Math.min(query.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
  const now = context.clock();
  const matches = createMatcher(query.filter, now);
  const tokens: Token[] = [];

  let after = readPageToken(context.keys, query.pageToken, scope);
  // A page for the first look; a filter that lets little of it through goes on in long steps.
  let limit = size + 1;
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT; ) {
    const batch = await context.store.page({ tenant, subject, after, limit });
    for (const token of batch) {
      if (isPurged(token, now) || !reaches(caller, token) || !matches(token)) continue;
      // One more than the page holds tells that there is a next one.
      if (tokens.push(token) > size) {
        tokens.pop();
        return { tokens, nextPageToken: signPageToken(context.keys, tokens.at(-1) as Token, scope) };
      }
    }
    if (batch.length < limit) return { tokens, nextPageToken: "" };
    lookedAt += batch.length;
    // Others come first, and nobody may wait any more.
    await setImmediate();
    signal?.throwIfAborted();
    after = batch.at(-1) as Token;
    limit = MAX_PAGE_SIZE;
  }
  return { tokens, nextPageToken: after ? signPageToken(context.keys, after, scope) : "" };
}

function resolveRange(caller: Caller, query: ListQuery): { tenant: string; subject: string | undefined } {
  if (query.subject === "" && caller.permissions.has("latchkey:admin")) {
    return { tenant: resolveTenant(caller, query.tenant), subject: undefined };
  }
  return resolveOwner(caller, query.tenant, query.subject);
}
