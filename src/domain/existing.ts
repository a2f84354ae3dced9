import type { PageCursor } from "../store/token-store.ts";
import type { Context } from "./context.ts";
import type { Kind } from "./kinds.ts";
import { holdsUntil, type Owner, type Token } from "./token.ts";

const PAGE = 100;

/** The newest token of the kind that its owner has, if any is live. */
export async function findLiveToken(context: Context, owner: Owner, kind: Kind): Promise<Token | undefined> {
  let after: PageCursor | undefined;
  for (;;) {
    const page = await context.store.page({ ...owner, after, limit: PAGE });
    const now = context.clock();
    const found = page.find(
      (token) => token.kind === kind.name && (holdsUntil(token) ?? Number.POSITIVE_INFINITY) > now,
    );
    if (found || page.length < PAGE) return found;
    after = page.at(-1);
  }
}
