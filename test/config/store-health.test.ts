import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";
import { reportStore, requireSoundStore } from "../../src/config/store-health.ts";

function openLog() {
  const lines: string[] = [];
  const log = pino({ level: "info", base: null, timestamp: false }, { write: (line) => void lines.push(line) });
  return { log, logged: () => lines.map((line) => JSON.parse(line)) };
}

const weakStore = {
  inspect: async () => [
    { description: "appendonly is no: set it", isCertain: true },
    { description: "INFO can't be read", isCertain: false },
    { description: "the clock is behind: set it", isCertain: true },
  ],
};

describe("a weak store", () => {
  test("is told of, one line for each weakness", async () => {
    const { log, logged } = openLog();
    await requireSoundStore(weakStore, false, log);
    const msg = "the store is not as safe as it could be";
    expect(logged()).toEqual([
      { level: 40, weakness: "appendonly is no: set it", msg },
      { level: 40, weakness: "INFO can't be read", msg },
      { level: 40, weakness: "the clock is behind: set it", msg },
    ]);
  });

  test("refuses the start where it is strict, with all that is wrong at once; what can't be told does not", async () => {
    const { log, logged } = openLog();
    const error = await requireSoundStore(weakStore, true, log).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toBe(
      "wrong configuration in the store (LATCHKEY_STORE), with LATCHKEY_STRICT=1:\n" +
        "  appendonly is no: set it\n  the clock is behind: set it",
    );
    expect(logged()).toMatchObject([{ weakness: "INFO can't be read" }]);
    await requireSoundStore({ inspect: async () => [] }, true, log);
  });
});

test("what happens to a store is one line, with what to do", () => {
  const { log, logged } = openLog();
  const report = reportStore(log);
  report({ type: "lost", cause: "Redis at h:1: ECONNREFUSED" });
  report({ type: "back", milliseconds: 5 });
  report({ type: "unconfirmed", cause: "1 of 2 replicas" });
  report({ type: "confirmed", milliseconds: 7 });
  expect(logged()).toEqual([
    {
      level: 50,
      cause: "Redis at h:1: ECONNREFUSED",
      msg: "the store, or a part of it, is lost: calls that need it are answered UNAVAILABLE until it is back",
    },
    { level: 30, ms: 5, msg: "the store is back" },
    {
      level: 50,
      cause: "1 of 2 replicas",
      msg: "too few replicas confirm: no change is acknowledged until they do; look at INFO replication of the master",
    },
    { level: 30, ms: 7, msg: "the replicas confirm again" },
  ]);
});
