import { expect, onTestFinished, test } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { openBroken, type Sabotage } from "../support/broken-store.ts";
import { useKinds } from "../support/kinds.ts";
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

function withoutVersion({ version: _, ...fields }: Token): Partial<Token> {
  return fields;
}

test.each(BROKEN)("a store is caught that %s", { timeout: 60_000 }, async (_, sabotage, violation) => {
  const service = await startService(variables(), undefined, { openStore: openBroken(sabotage) });
  onTestFinished(() => service.close());
  const history = await recordHistory({
    urls: [service.url],
    clients: 4,
    operations: OPERATIONS,
    kinds: PLAYED_KINDS,
    seed: 1,
  });
  expect(findViolations(history)).toContainEqual(expect.stringMatching(violation));
});
