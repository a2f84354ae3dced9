import { TokenError } from "../errors.ts";
import type { Caller } from "./caller.ts";
import type { Context } from "./context.ts";
import { belongsTo } from "./lookup.ts";
import { idOfSecret } from "./secret.ts";
import { changed, statusOf, type Token } from "./token.ts";

/** Of N callers at the same moment one wins each round. */
const MAX_ROUNDS = 1000;

/** A presented secret, and what it should be good for. */
export interface Question {
  readonly secret: string;
  /** All of them. */
  readonly scopes: readonly string[];
  /** Empty: not asked. */
  readonly audience: string;
  /** One of them; empty: any. */
  readonly kinds: readonly string[];
  /** Whether to look without counting a use. */
  readonly peek: boolean;
}

export type InactiveReason =
  | "MALFORMED"
  | "UNKNOWN"
  | "EXPIRED"
  | "EXHAUSTED"
  | "INACTIVE"
  | "KIND"
  | "AUDIENCE"
  | "SCOPE";

export type Verdict =
  | { readonly active: true; readonly token: Token }
  | { readonly active: false; readonly reason: InactiveReason };

/** Tells whether a secret is good for what is asked, and counts one use of a limited-use token, unless `signal` aborts before. */
export async function introspect(
  context: Context,
  caller: Caller,
  question: Question,
  signal?: AbortSignal,
): Promise<Verdict> {
  const id = idOfSecret(question.secret);
  if (id === undefined) return { active: false, reason: "MALFORMED" };
  return use(context, caller, question, await context.store.find(id), signal);
}

/** The same for many, with one look into the store, until `signal` aborts. Answers in the order of the questions. */
export async function introspectAll(
  context: Context,
  caller: Caller,
  questions: readonly Question[],
  signal?: AbortSignal,
): Promise<Verdict[]> {
  const ids = questions.map((question) => idOfSecret(question.secret));
  const found = await context.store.findMany(ids.filter((id) => id !== undefined));
  const verdicts: Verdict[] = [];
  for (const [index, question] of questions.entries()) {
    verdicts.push(
      ids[index] === undefined
        ? { active: false, reason: "MALFORMED" }
        : await use(context, caller, question, found.shift(), signal),
    );
  }
  return verdicts;
}

async function use(
  context: Context,
  caller: Caller,
  question: Question,
  found: Token | undefined,
  signal: AbortSignal | undefined,
): Promise<Verdict> {
  let token = found;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // A use that nobody waits for any more must not be taken.
    signal?.throwIfAborted();
    const now = context.clock();
    const reason = judge(context, caller, question, token, now);
    if (reason !== undefined || token === undefined) return { active: false, reason: reason ?? "UNKNOWN" };
    if (question.peek) return { active: true, token };
    if (token.usesLeft === undefined) {
      context.lastUse.note(token);
      return { active: true, token };
    }
    const used = takeUse(context, token, now);
    if ((await context.store.replace(token, used)) === "replaced") return { active: true, token: used };
    token = await context.store.find(token.id);
  }
  throw new TokenError("CONFLICT", "others keep using this token; try again");
}

function judge(
  context: Context,
  caller: Caller,
  question: Question,
  token: Token | undefined,
  now: number,
): InactiveReason | undefined {
  if (!belongsTo(context, token, question.secret) || !answersFor(caller, token)) return "UNKNOWN";
  const status = statusOf(token, now);
  if (status !== "ACTIVE") return status;
  if (question.kinds.length > 0 && !question.kinds.includes(token.kind)) return "KIND";
  if (token.audiences.length > 0 && !token.audiences.includes(question.audience)) return "AUDIENCE";
  if (!question.scopes.every((scope) => token.scopes.includes(scope))) return "SCOPE";
  return undefined;
}

/** An introspecting service learns of its own tenant's tokens only, whatever their scopes. */
function answersFor(caller: Caller, token: Token): boolean {
  return token.tenant === caller.tenant || caller.permissions.has("latchkey:root");
}

/** A permanent token that is used up would be listed for ever, so its retention begins with its last use. */
function takeUse(context: Context, token: Token, now: number): Token {
  const usesLeft = (token.usesLeft ?? 0) - 1;
  const retention = context.kinds.get(token.kind)?.retention ?? 0;
  const purgeTime =
    usesLeft === 0 ? Math.min(token.purgeTime ?? Number.POSITIVE_INFINITY, now + retention) : token.purgeTime;
  return changed(token, { usesLeft, lastUsedTime: now, purgeTime });
}
