import type { Caller } from "../domain/caller.ts";
import type { Clock } from "../domain/clock.ts";
import { statusOf, type Token } from "../domain/token.ts";
import type { Authenticate } from "./authenticate.ts";
import type { Metadata } from "./request.ts";

export interface CallerCacheOptions {
  readonly authenticate: Authenticate;
  /** The headers that tell who calls, in lower case. */
  readonly headers: readonly string[];
  /** Notes that a token was used to call. */
  readonly noteUse: (token: Token) => void;
  readonly clock: Clock;
}

/** A change of a token, or `reset`: any may have changed. */
export type TokenChange = { readonly type: "changed" | "deleted"; readonly id: string } | { readonly type: "reset" };

/** Remembers who calls with which Latchkey token. */
export interface CallerCache {
  readonly authenticate: Authenticate;
  /** Must be told of every change of a token, at the latest when whoever changed it has the answer. */
  forget(change: TokenChange): void;
}

/**
 * How long a caller is remembered at the most, in milliseconds: so long can a token that was taken back through another
 * instance go on to call here, should the news of it be lost.
 */
const MAX_AGE = 1000;
const MAX_ENTRIES = 10_000;

interface Entry {
  readonly caller: Caller;
  readonly token: Token;
  /** When it was asked for: what is asked later counts from then. */
  readonly time: number;
}

/** A question that is under way, and the tokens that have changed since it began: its answer may be older than that. */
interface Question {
  readonly changed: Set<string>;
  isOutdated: boolean;
}

/**
 * Puts a memory before `authenticate`, for callers with a Latchkey token: services call with the same one thousands of times
 * a second. Refusals are not remembered, and neither is what does not count from a change event on. Keyed by the whole text of the
 * headers, so no two secrets can share an entry.
 */
export function createCallerCache({ authenticate, headers, noteUse, clock }: CallerCacheOptions): CallerCache {
  const entries = new Map<string, Entry>();
  const keysOf = new Map<string, Set<string>>();
  const questions = new Set<Question>();

  function recall(key: string): Caller | undefined {
    const entry = entries.get(key);
    if (!entry) return undefined;
    const now = clock();
    if (Math.abs(now - entry.time) >= MAX_AGE || statusOf(entry.token, now) !== "ACTIVE") {
      drop(key, entry);
      return undefined;
    }
    noteUse(entry.token);
    return entry.caller;
  }

  async function ask(key: string, ...request: Parameters<Authenticate>): Promise<Caller> {
    const question: Question = { changed: new Set(), isOutdated: false };
    const time = clock();
    questions.add(question);
    try {
      const caller = await authenticate(...request);
      const { token } = caller;
      const isOutdated = question.isOutdated || (token && question.changed.has(token.id));
      if (token && !isOutdated && isSimple(token)) keep(key, { caller, token, time });
      return caller;
    } finally {
      questions.delete(question);
    }
  }

  function keep(key: string, entry: Entry): void {
    for (const [oldest, old] of entries) {
      if (entries.size < MAX_ENTRIES) break;
      drop(oldest, old);
    }
    entries.set(key, entry);
    const keys = keysOf.get(entry.token.id) ?? new Set();
    keysOf.set(entry.token.id, keys.add(key));
  }

  function drop(key: string, { token }: Entry): void {
    entries.delete(key);
    const keys = keysOf.get(token.id);
    keys?.delete(key);
    if (keys?.size === 0) keysOf.delete(token.id);
  }

  return {
    authenticate(metadata, peer) {
      const key = keyOf(metadata, headers);
      if (key === undefined) return authenticate(metadata, peer);
      const caller = recall(key);
      return caller ? Promise.resolve(caller) : ask(key, metadata, peer);
    },

    forget(change) {
      if (change.type === "reset") {
        entries.clear();
        keysOf.clear();
        for (const question of questions) question.isOutdated = true;
        return;
      }
      for (const question of questions) question.changed.add(change.id);
      for (const key of keysOf.get(change.id) ?? []) entries.delete(key);
      keysOf.delete(change.id);
    },
  };
}

/**
 * Whether nothing but a change or its expiry ends the token's use. One that is being rotated has secrets that end one after the
 * other, and one that must not go unused has uses that must be written before their answer.
 */
function isSimple({ digests, idleTimeout }: Token): boolean {
  return digests.length === 1 && digests[0]?.until === undefined && idleTimeout === undefined;
}

/** Undefined if there are none, or one comes several times: then there is something to refuse. */
function keyOf(metadata: Metadata, headers: readonly string[]): string | undefined {
  const values = headers.map((name) => metadata.values(name));
  if (values[0]?.length !== 1 || values.some(({ length }) => length > 1)) return undefined;
  // Header values hold no line break.
  return values.length === 1 ? values[0][0] : values.map(([value = ""]) => value).join("\n");
}
