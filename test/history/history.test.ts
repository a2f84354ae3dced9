import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { useKinds } from "../support/kinds.ts";
import { startRedis } from "../support/redis-server.ts";
import { startService } from "../support/service.ts";
import { findViolations } from "./check.ts";
import type { History } from "./history.ts";
import { PLAYED_KINDS } from "./kinds.ts";
import { precedes, readLives } from "./life.ts";
import { recordHistory } from "./runner.ts";

const OPERATIONS = 20_000;
const CLIENTS = 6;
/** To play one game again, with the same calls but not with the same moments: set HISTORY_SEED. */
const SEED = Number(process.env.HISTORY_SEED ?? Date.now() % 1_000_000);
/** How many of the violations to show. */
const SHOWN = 20;

/** What must have come of calls now and then, or nothing was tried. */
const EVENTS = [
  ...[
    "Create",
    "Introspect",
    "Peek",
    "Call",
    "Ask",
    "Exchange",
    "SetActive",
    "Update",
    "Get",
    "Rotate",
    "Delete",
    "DeleteAll",
  ].map((type) => `${type} done`),
  ...["UNKNOWN", "SPENT", "EXHAUSTED", "INACTIVE", "EXPIRED", "unknown"].map((outcome) => `Introspect ${outcome}`),
  ...["TOKEN_NOT_FOUND", "TOKEN_NOT_ACTIVE", "SECRET_SPENT", "unknown"].map((outcome) => `Exchange ${outcome}`),
  ...["SetActive", "Update", "Get", "Rotate", "Delete"].map((type) => `${type} TOKEN_NOT_FOUND`),
  ...["Call", "Ask"].map((type) => `${type} CREDENTIALS_INVALID`),
];

const variables = useKinds();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-history-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe(`of ${OPERATIONS} calls at random of ${CLIENTS} clients at once, none is answered what no correct service answers`, () => {
  test.each([
    ["a service on SQLite", 1],
    ["two services on one Redis", 2],
  ])("%s", { timeout: 300_000 }, async (_, instances) => {
    const redis = instances > 1 ? await startRedis() : undefined;
    if (redis) onTestFinished(() => redis.stop());
    const shared = {
      ...variables(),
      LATCHKEY_KEYS: join(folder, "keys.yaml"),
      LATCHKEY_STORE: redis?.url ?? `sqlite:${join(folder, "latchkey.db")}`,
    };
    const urls: string[] = [];
    for (let instance = 0; instance < instances; instance++) {
      const service = await startService(shared);
      onTestFinished(() => service.close());
      urls.push(service.url);
    }
    const match = { urls, clients: CLIENTS, operations: OPERATIONS, kinds: PLAYED_KINDS, seed: SEED };

    const history = await recordHistory(match);

    expect(findViolations(history).slice(0, SHOWN), `HISTORY_SEED=${SEED}`).toEqual([]);
    expect(findRare(history)).toEqual([]);
    expect(countRaces(history)).toBeGreaterThan(OPERATIONS / 10);
  });
});

function findRare(history: History): string[] {
  const counts = Map.groupBy(history, ({ type, outcome }) => `${type} ${outcome}`);
  return EVENTS.filter((event) => (counts.get(event)?.length ?? 0) < 3);
}

/** How many changes of a token were under way while somebody else did something with it. */
function countRaces(history: History): number {
  return readLives(history).reduce((sum, { operations }) => {
    const changes = operations.filter(({ type, outcome }) => outcome === "done" && type !== "Peek");
    const races = changes.filter((one) =>
      operations.some((other) => other !== one && !precedes(one, other) && !precedes(other, one)),
    );
    return sum + races.length;
  }, 0);
}
