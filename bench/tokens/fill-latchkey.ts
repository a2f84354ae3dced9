import { connectRedis, keysPath, required } from "../candidates/environment.ts";
import { answerWith, fillOrder } from "../candidates/fill-order.ts";
import type { KeyFile } from "../load/job.ts";
import { bareAnswer, bareKey } from "./bare-answers.ts";
import { inParallel, isGone, type Key, subjectOf, writeKeys } from "./fill.ts";
import { type Issuer, openIssuer } from "./issue.ts";

/** What the callers of a filled Latchkey need. */
export interface FilledLatchkey {
  readonly keys: KeyFile;
  /** The secrets of two permanent tokens that call. */
  readonly introspector: string;
  readonly admin: string;
}

const { count, path } = fillOrder();
const issuer = await openIssuer(required("REDIS_URL"), keysPath());
const bare = process.env.BARE === "1" ? connectRedis() : undefined;

async function makeKey(index: number): Promise<Key> {
  const { token, secret } = await issuer.issue({ subject: subjectOf(index), kind: "personal" });
  const isGood = !isGone(index);
  if (!isGood) await issuer.context.store.remove(token.id);
  else await bare?.set(bareKey(token.id), bareAnswer(token));
  return { key: secret, proof: token.id, isGood };
}

async function makeCaller({ issue }: Issuer, subject: string, scope: string): Promise<string> {
  const { secret } = await issue({ subject, kind: "service", scopes: [scope], lifetime: { type: "permanent" } });
  return secret;
}

const filled: FilledLatchkey = {
  introspector: await makeCaller(issuer, "gateway", "latchkey:introspect"),
  admin: await makeCaller(issuer, "console", "latchkey:admin"),
  keys: writeKeys(path, await inParallel(count, 128, makeKey)),
};
answerWith(filled);
bare?.disconnect();
await issuer.close();
