import { expect, test } from "vitest";
import { SHORT_PLAN } from "./plans.ts";
import { soak } from "./soak.ts";
import { soakTable } from "./table.ts";
import { findingsIn, SHORT } from "./verdict.ts";

test("half a minute of all sorts of clients leaves nothing behind and sees no error", { timeout: 180_000 }, async ({
  annotate,
}) => {
  const record = await soak(SHORT_PLAN);
  await annotate(soakTable(record, SHORT));
  expect(findingsIn(record, SHORT)).toEqual([]);
  expect(record.calls).toBeGreaterThan(1000);
});

/** What a careless change would do, each in another way. */
const LEAKS = `(() => {
  const net = process.getBuiltinModule('node:net');
  const { openSync } = process.getBuiltinModule('node:fs');
  const kept = globalThis.kept = new Set();
  process.setMaxListeners(0);
  const { emit } = net.Server.prototype;
  net.Server.prototype.emit = function (event, ...rest) {
    if (event === 'connection') {
      process.on('never', () => {});
      openSync('/dev/null');
      setInterval(() => {}, 1e6);
      for (let count = 0; count < 500; count++) kept.add({ count, text: 'kept ' + count });
    }
    return emit.call(this, event, ...rest);
  };
})()`;

test("it finds what stays: memory, listeners, descriptors, timers", { timeout: 180_000 }, async () => {
  const record = await soak({
    ...SHORT_PLAN,
    warmUp: 3000,
    duration: 10_000,
    sampleEvery: 500,
    patience: 3000,
    plant: LEAKS,
  });
  const findings = findingsIn(record, SHORT);
  for (const name of ["objects", "descriptors", "resources", "allListeners"]) {
    expect(findings).toContainEqual(expect.stringMatching(new RegExp(`^worker [12] at rest has \\d+ ${name}`)));
  }
});
