import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { randomBase62 } from "../../src/domain/base62.ts";
import { type Caller, createCaller } from "../../src/domain/caller.ts";
import type { Context } from "../../src/domain/context.ts";
import type { TokenEvent } from "../../src/domain/events.ts";
import type { Question } from "../../src/domain/introspect.ts";
import { type IssuedToken, issueToken, type NewToken } from "../../src/domain/issue.ts";
import { createKeyRing } from "../../src/domain/keys.ts";
import { builtInKinds, type Kind, kindDefaults, kindTable } from "../../src/domain/kinds.ts";
import { createLastUse } from "../../src/domain/last-use.ts";
import { makeId, makeSecret } from "../../src/domain/secret.ts";
import type { Token } from "../../src/domain/token.ts";
import { type Code, type Reason, TokenError } from "../../src/errors.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";

export const NOW = Date.UTC(2026, 0, 15, 12);
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The rules with a store of their own, and a clock that stands still until it is moved. */
export interface World {
  readonly context: Context;
  /** What was reported. */
  readonly events: readonly TokenEvent[];
  pass(span: number): void;
  issue(wish?: Partial<NewToken>, caller?: Caller, by?: Context): Promise<IssuedToken>;
}

export async function openWorld(...kinds: Kind[]): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-"));
  let now = NOW;
  const clock = () => now;
  const store = await openSqliteStore({ path: join(folder, "tokens.db"), clock });
  const lastUse = createLastUse(store, clock);
  onTestFinished(async () => {
    await lastUse.close();
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const table = kindTable([...builtInKinds.values(), ...kinds]);
  const events: TokenEvent[] = [];
  const report = (event: TokenEvent) => void events.push(event);
  const context = { store, kinds: table, keys: keyRing(1), clock, lastUse, report };
  return {
    context,
    events,
    pass(span) {
      now += span;
    },
    issue: (wish = {}, caller = root, by = context) => issueToken(by, caller, newToken(wish)),
  };
}

export function keyRing(...versions: [number, ...number[]]) {
  const [first, ...others] = versions;
  return createKeyRing([serviceKey(first), ...others.map(serviceKey)]);
}

export function serviceKey(version: number) {
  return { version, secret: Buffer.alloc(32, version) };
}

/** A secret of the right form and by our own key, which no token has. */
export function unheldSecret(shardTag = "abc", version = 1): string {
  return makeSecret(keyRing(version), "lk_pat", makeId(shardTag, randomBase62), randomBase62);
}

export function kindOf(changes: Partial<Kind> = {}): Kind {
  return { ...kindDefaults, name: "test", prefix: "tst", ...changes };
}

export function callerOf(changes: Partial<Parameters<typeof createCaller>[0]> = {}): Caller {
  return createCaller({ credential: "jwt", tenant: "acme", subject: "ada", scopes: ["latchkey:self"], ...changes });
}

export const root = callerOf({
  credential: "root",
  tenant: "default",
  subject: "root",
  scopes: ["latchkey:root"],
});
export const admin = callerOf({ subject: "boss", scopes: ["latchkey:admin"] });
export const service = callerOf({ subject: "gateway", scopes: ["latchkey:introspect"] });
export const ada = callerOf({ scopes: ["latchkey:self", "repo:read", "repo:write"] });
export const bob = callerOf({ subject: "bob", scopes: ["latchkey:self", "repo:read", "repo:write"] });
export const foreignAdmin = callerOf({ tenant: "globex", subject: "boss", scopes: ["latchkey:admin"] });

export function newToken(changes: Partial<NewToken> = {}): NewToken {
  return {
    tenant: "acme",
    subject: "ada",
    kind: "personal",
    label: "",
    lifetime: { type: "default" },
    scopes: [],
    audiences: [],
    claims: undefined,
    clientId: "",
    inactive: false,
    maxUses: undefined,
    requestId: "",
    ...changes,
  };
}

export function tokenOf(changes: Partial<Token> = {}): Token {
  return {
    version: 1,
    revision: 1,
    id: "abcABCDEFGHIJKLMNOP",
    tenant: "acme",
    subject: "ada",
    kind: "personal",
    label: "",
    hint: "lk_pat_abcABCDE",
    scopes: [],
    audiences: [],
    claims: undefined,
    clientId: "",
    parentId: "",
    creator: "acme/ada",
    createTime: NOW,
    expireTime: NOW + DAY,
    purgeTime: NOW + 2 * DAY,
    lastUsedTime: undefined,
    idleTimeout: undefined,
    active: true,
    usesLeft: undefined,
    digests: [],
    holdsLabel: false,
    holdsPlace: false,
    ...changes,
  };
}

export function ask(secret: string, changes: Partial<Question> = {}): Question {
  return { secret, scopes: [], audience: "", kinds: [], peek: false, ...changes };
}

/** What a refusal looks like from outside; without a message, any. */
export function refusal(reason: Reason, message?: string): { code: Code; reason: Reason; message?: string } {
  const { code } = new TokenError(reason, "");
  return { code, reason, ...(message !== undefined && { message }) };
}

/** The error that `run` throws. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
