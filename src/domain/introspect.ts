import { TokenError } from "../errors.ts";
import type { Caller } from "./caller.ts";
import type { Context, StopSignal } from "./context.ts";
import { proveSecret } from "./lookup.ts";
import { type Presented, readPresented, type Unreadable } from "./presented.ts";
import { noteSpentSecret } from "./reuse.ts";
import { isPurged, type Status, statusOf, type Token } from "./token.ts";
import { useToken } from "./use.ts";

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

export type InactiveReason = Unreadable | Exclude<Status, "ACTIVE"> | "KIND" | "AUDIENCE" | "SCOPE" | "SPENT";

export type Verdict =
  | { readonly active: true; readonly token: Token }
  | { readonly active: false; readonly reason: InactiveReason };

const UNKNOWN: Verdict = { active: false, reason: "UNKNOWN" };

/** Tells whether a secret is good for what is asked, and counts one use of a limited-use token, unless `signal` aborts before. */
export async function introspect(
  context: Context,
  caller: Caller,
  question: Question,
  signal?: StopSignal,
): Promise<Verdict> {
  let presented = readPresented(context, question.secret);
  // Most secrets are read at once, and waiting for what is there already costs a turn.
  if (presented instanceof Promise) {
    const read = await presented;
    if (typeof read === "string") return { active: false, reason: read };
    presented = read;
  }
  return answer({ context, caller, signal }, question, presented, await context.store.find(presented.id));
}

/** The same for many, with one look into the store, until `signal` aborts. Answers in the order of the questions. */
export async function introspectAll(
  context: Context,
  caller: Caller,
  questions: readonly Question[],
  signal?: StopSignal,
): Promise<Verdict[]> {
  const asking = { context, caller, signal };
  const reading = questions.map(({ secret }) => readPresented(context, secret));
  const presented = reading.some((one) => one instanceof Promise)
    ? await Promise.all(reading)
    : (reading as (Presented | Unreadable)[]);
  const found = await context.store.findMany(presented.flatMap((read) => (typeof read === "string" ? [] : read.id)));
  const verdicts: Verdict[] = [];
  let place = 0;
  for (const question of questions) {
    const read = presented[verdicts.length] as Presented | Unreadable;
    if (typeof read === "string") {
      verdicts.push({ active: false, reason: read });
      continue;
    }
    const verdict = answer(asking, question, read, found[place++]);
    verdicts.push(verdict instanceof Promise ? await verdict : verdict);
  }
  return verdicts;
}

/** Who asks, and where. */
interface Asking {
  readonly context: Context;
  readonly caller: Caller;
  readonly signal: StopSignal | undefined;
}

/** Where nothing has to be written, the answer is there at once: a promise for each would cost as much as all that it tells. */
function answer(
  asking: Asking,
  question: Question,
  presented: Presented,
  found: Token | undefined,
): Verdict | Promise<Verdict> {
  // A use that nobody waits for any more must not be taken.
  asking.signal?.throwIfAborted();
  const verdict = look(asking, question, presented, found);
  if (!(verdict instanceof Promise)) return verdict;
  return insist(verdict, async () => {
    const token = await asking.context.store.find(presented.id);
    asking.signal?.throwIfAborted();
    return look(asking, question, presented, token);
  });
}

/** Looks again as long as somebody changes the token in between. */
async function insist(
  first: Promise<Verdict | undefined>,
  again: () => Promise<Verdict | undefined>,
): Promise<Verdict> {
  let verdict = await first;
  for (let round = 1; verdict === undefined && round < MAX_ROUNDS; round++) verdict = await again();
  if (verdict) return verdict;
  throw new TokenError("CONFLICT", "others keep using this token; try again");
}

/** One look at the token as it was found. Undefined: somebody has changed it since. */
function look(
  { context, caller }: Asking,
  question: Question,
  presented: Presented,
  token: Token | undefined,
): Verdict | Promise<Verdict | undefined> {
  const now = context.clock();
  const digest = proveSecret(context, token, presented, now);
  const isKnown = token !== undefined && answersFor(caller, token) && !isPurged(token, now);
  // Asked wherever the answer may be UNKNOWN, so that time tells neither a wrong secret nor another tenant's right one from an unknown token.
  const isSpent = !(digest && isKnown) && presented.wasMadeHere();
  if (!isKnown) return UNKNOWN;
  if (!digest) return isSpent ? refuseSpent(context, token, question) : UNKNOWN;
  const reason = judge(question, token, now);
  if (reason !== undefined) return { active: false, reason };
  if (question.peek) return { active: true, token };
  const used = useToken(context, token, digest, now);
  if (!(used instanceof Promise)) return { active: true, token: used };
  return used.then((written) => written && { active: true, token: written });
}

async function refuseSpent(context: Context, token: Token, { peek }: Question): Promise<Verdict> {
  if (!peek) await noteSpentSecret(context, token.id);
  return { active: false, reason: "SPENT" };
}

function judge(question: Question, token: Token, now: number): InactiveReason | undefined {
  const status = statusOf(token, now);
  if (status !== "ACTIVE") return status;
  if (question.kinds.length > 0 && !question.kinds.includes(token.kind)) return "KIND";
  if (token.audiences.length > 0 && !token.audiences.includes(question.audience)) return "AUDIENCE";
  for (const scope of question.scopes) if (!token.scopes.includes(scope)) return "SCOPE";
  return undefined;
}

/** An introspecting service learns of its own tenant's tokens only, whatever their scopes. */
function answersFor(caller: Caller, token: Token): boolean {
  return token.tenant === caller.tenant || caller.permissions.has("latchkey:root");
}
