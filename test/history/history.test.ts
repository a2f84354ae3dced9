import { expect, onTestFinished, test } from "vitest";
import { startService } from "../support/service.ts";
import { findViolations } from "./check.ts";
import { recordHistory } from "./runner.ts";

const KINDS = [
  { name: "personal", weight: 3, diesOfReuse: false },
  { name: "service", weight: 1, diesOfReuse: false },
  { name: "session", weight: 1, diesOfReuse: false },
  { name: "link", weight: 4, diesOfReuse: false },
];

test("sqlite", { timeout: 120_000 }, async () => {
  const seed = Number(process.env.HISTORY_SEED ?? Date.now() % 1e9);
  const service = await startService();
  onTestFinished(() => service.close());
  const t = performance.now();
  const history = await recordHistory({ urls: [service.url], clients: 6, operations: 20000, kinds: KINDS, seed });
  console.log(history.length, performance.now() - t);
  const t2 = performance.now();
  const violations = findViolations(history);
  console.log(
    performance.now() - t2,
    [...Map.groupBy(history, (o) => o.type + " " + o.outcome)]
      .map(([k, v]) => `${k}: ${v.length}`)
      .sort()
      .join("\n"),
  );
  expect(violations.slice(0, 20), `seed ${seed}`).toEqual([]);
});
