import type { PageCursor } from "../store/token-store.ts";
import type { Context } from "./context.ts";
import type { Kind } from "./kinds.ts";
import { isLive, type Owner, type Token } from "./token.ts";

const PAGE = 100;

/** The live token that holds the one place which its owner has for the kind. */
export async function findLiveToken(context: Context, owner: Owner, kind: Kind): Promise<Token | undefined> {
  let after: PageCursor | undefined;
  for (;;) {
    const page = await context.store.page({ ...owner, after, limit: PAGE });
    const now = context.clock();
    const isIt = (token: Token) => token.kind === kind.name && token.holdsPlace && isLive(token, now);
    const found = page.find(isIt);
    if (found || page.length < PAGE) return found;
    after = page.at(-1);
  }
}
