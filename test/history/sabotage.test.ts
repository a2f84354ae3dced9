import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { MAX_AGE } from "../../src/auth/caller-cache.ts";
import { changed, type Token } from "../../src/domain/token.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { openBroken, type Sabotage } from "../support/broken-store.ts";
import { useKinds } from "../support/kinds.ts";
import { startRedis } from "../support/redis-server.ts";
import { startService } from "../support/service.ts";
import { findViolations } from "./check.ts";
import { PLAYED_KINDS } from "./kinds.ts";
import { recordHistory } from "./runner.ts";

const OPERATIONS = 1500;
/** How late a broken store does what it has answered. Milliseconds. */
const LATE = 100;

const variables = useKinds();

function later(run: () => Promise<unknown>): void {
  setTimeout(() => void run().catch(() => {}), LATE).unref();
}

/** Answers the first that was read of something for a while. */
function readStale<T>(read: (id: string) => Promise<T>) {
  const known = new Map<string, { answer: Promise<T>; until: number }>();
  return (id: string) => {
    const entry = known.get(id);
    if (entry && entry.until > performance.now()) return entry.answer;
    const answer = read(id);
    known.set(id, { answer, until: performance.now() + LATE });
    return answer;
  };
}

const BROKEN: [what: string, sabotage: Sabotage, violation: RegExp][] = [
  [
    "answers a removal before it removes",
    (store) => ({
      async remove(id) {
        later(() => store.remove(id));
        return 1;
      },
    }),
    /succeeded after Delete .* had deleted it$/,
  ],
  [
    "answers the removal of all before it removes",
    (store) => ({
      async removeAll(owner, select) {
        later(() => store.removeAll(owner, select));
        return 1;
      },
    }),
    /succeeded after DeleteAll .* had deleted it$/,
  ],
  [
    "leaves the descendants of what it removes",
    (store) => ({ insert: (token, options) => store.insert({ ...token, parentId: "" }, options) }),
    /succeeded after .* of its ancestor \w+ had deleted it$/,
  ],
  [
    "replaces whatever is there",
    (store) => ({
      async replace(previous, next, mark) {
        for (;;) {
          const stored = await store.find(previous.id);
          if (!stored) return "conflict";
          const outcome = await store.replace(stored, changed(stored, withoutVersion(next)), mark);
          if (outcome !== "conflict") return outcome;
        }
      },
    }),
    /was used \d times, of \d:|had replaced the secret$/,
  ],
  [
    "forgets what becomes of the parent",
    (store) => ({ insert: (token, { parent: _, ...options } = {}) => store.insert(token, options) }),
    /was used \d times, of \d:/,
  ],
  ["reads what was there a while ago", (store) => ({ find: readStale((id) => store.find(id)) }), /succeeded after /],
  [
    "does not always find what is there",
    (store) => ({ find: async (id) => (Math.random() < 0.02 ? undefined : store.find(id)) }),
    /was answered (UNKNOWN|TOKEN_NOT_FOUND) without a reason$/,
  ],
];

/** Of stores that tell too little of changes, which only those notice that remember something. */
const CACHES: [what: string, instances: number, sabotage: Sabotage][] = [
  ["is never told of a change", 1, () => ({ subscribe: () => () => {} })],
  [
    "is told of changes only after their answers",
    1,
    (store) => ({
      subscribe: (listener) => store.subscribe((change) => void setTimeout(listener, MAX_AGE / 2, change)),
    }),
  ],
  ["is told of no change of its own instance", 2, tellOnlyOfOthers],
];

/** Tells of a change only if no operation on that token came through this instance. */
function tellOnlyOfOthers(store: TokenStore): Partial<TokenStore> {
  const own = new Set<string>();
  return {
    replace(previous, next, mark) {
      own.add(next.id);
      return store.replace(previous, next, mark);
    },
    remove(id) {
      own.add(id);
      return store.remove(id);
    },
    subscribe(listener) {
      return store.subscribe((change) => {
        if (change.type === "reset" || !own.has(change.id)) listener(change);
      });
    },
  };
}

function withoutVersion({ version: _, ...fields }: Token): Partial<Token> {
  return fields;
}

test.each(BROKEN)("a store is caught that %s", { timeout: 60_000 }, async (_, sabotage, violation) => {
  expect(await playWith(sabotage, 1)).toContainEqual(expect.stringMatching(violation));
});

test.each(CACHES)("a memory of callers is caught that %s", { timeout: 60_000 }, async (_, instances, sabotage) => {
  const violations = await playWith(sabotage, instances);
  expect(violations.length).toBeGreaterThan(0);
  // None but of callers: all else asks the store.
  expect(violations.filter((violation) => !/: Ask by .* succeeded after /.test(violation))).toEqual([]);
});

/** Lets clients play with services whose stores are broken so, and answers what the checker says. */
async function playWith(sabotage: Sabotage, instances: number): Promise<string[]> {
  const redis = instances > 1 ? await startRedis() : undefined;
  if (redis) onTestFinished(() => redis.stop());
  const folder = mkdtempSync(join(tmpdir(), "latchkey-history-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const shared = {
    ...variables(),
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
    LATCHKEY_STORE: redis?.url ?? `sqlite:${join(folder, "latchkey.db")}`,
  };
  const urls: string[] = [];
  for (let instance = 0; instance < instances; instance++) {
    const service = await startService(shared, undefined, { openStore: openBroken(sabotage) });
    onTestFinished(() => service.close());
    urls.push(service.url);
  }
  const history = await recordHistory({ urls, clients: 4, operations: OPERATIONS, kinds: PLAYED_KINDS, seed: 1 });
  return findViolations(history);
}
