import { fieldError } from "../errors.ts";
import type { PageCursor } from "../store/token-store.ts";
import { type Caller, reaches, resolveOwner, resolveTenant } from "./caller.ts";
import type { Context } from "./context.ts";
import { createMatcher, type Filter } from "./filter.ts";
import { findToken, type TokenHandle } from "./lookup.ts";
import { tokenNotFound } from "./refusals.ts";
import type { Token } from "./token.ts";

const SUBJECTS_PAGE = 1000;

/** Which tokens to delete. Empty texts mean: not said. */
export interface Revocation {
  readonly tenant: string;
  readonly subject: string;
  readonly allSubjects: boolean;
  readonly filter: Filter;
}

/**
 * Deletes a token and all that was exchanged from it. Answers how many are gone.
 *
 * @throws TOKEN_NOT_FOUND
 */
export async function deleteToken(context: Context, caller: Caller, handle: TokenHandle): Promise<number> {
  const { id } = await findToken(context, caller, handle);
  const count = await context.store.remove(id);
  if (count === 0) throw tokenNotFound();
  return count;
}

/** Deletes a subject's tokens, or with `allSubjects` a tenant's, until `signal` aborts. Answers how many are gone. */
export async function deleteTokens(
  context: Context,
  caller: Caller,
  revocation: Revocation,
  signal: AbortSignal,
): Promise<number> {
  const matches = createMatcher(revocation.filter, context.clock());
  const select = (token: Token) => reaches(caller, token) && matches(token);

  if (!revocation.allSubjects) {
    return context.store.removeAll(resolveOwner(caller, revocation.tenant, revocation.subject), select);
  }
  if (!caller.permissions.has("latchkey:admin")) {
    throw fieldError("OWNER_BEYOND_CALLER", "all_subjects", "needs latchkey:admin");
  }
  const tenant = resolveTenant(caller, revocation.tenant);
  let count = 0;
  for await (const subject of subjectsOf(context, tenant)) {
    signal.throwIfAborted();
    count += await context.store.removeAll({ tenant, subject }, select);
  }
  return count;
}

async function* subjectsOf(context: Context, tenant: string): AsyncGenerator<string> {
  let after: PageCursor | undefined;
  for (;;) {
    const page = await context.store.page({ tenant, after, limit: SUBJECTS_PAGE });
    yield* new Set(page.map((token) => token.subject));
    const last = page.at(-1);
    if (!last || page.length < SUBJECTS_PAGE) return;
    // Past the oldest token of the last subject: what it still has is not looked at again.
    after = { subject: last.subject, createTime: 0, id: "" };
  }
}
