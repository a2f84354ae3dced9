import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { provideTools } from "../test/support/system-tools.ts";
import { type ComparisonPlan, compare } from "./compare.ts";
import { measureGrowth } from "./growth/growth.ts";
import { chooseCores } from "./machine/cores.ts";
import { startLoad } from "./machine/load.ts";
import { comparisonChart } from "./report/chart.ts";
import { replacePart, writeChart } from "./report/page.ts";
import { ratiosBetween } from "./report/ratios.ts";
import { keepResults, summarize } from "./report/results.ts";
import { comparisonTable, growthTables } from "./report/table.ts";

const FULL: ComparisonPlan = {
  tokens: 100_000,
  letters: "abcdefgh",
  rounds: 9,
  seconds: 3,
  warmUp: 0.5,
  burnIn: 5,
  latencyRounds: 5,
};

/** Under a minute on a machine with nothing else to do. */
const QUICK: ComparisonPlan = {
  ...FULL,
  letters: "abde",
  rounds: 7,
  seconds: 1.2,
  warmUp: 0.2,
  burnIn: 1.5,
  lastRound: 48,
  latencyRounds: 0,
};

const { values } = parseArgs({ options: { quick: { type: "boolean" }, growth: { type: "boolean" } } });
provideTools("The benchmarks", [
  { command: "redis-server", package: "redis-server" },
  { command: "taskset", package: "util-linux" },
]);

// So that what was started is stopped, too.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
await using opened = new AsyncDisposableStack();
const folder = mkdtempSync(join(tmpdir(), "latchkey-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const cores = chooseCores();
const load = await startLoad(cores.load);
opened.defer(() => load.stop());
const machine = { cores, load, folder, say: (text: string) => console.log(text) };

if (values.quick) {
  const ratios = ratiosBetween(await compare(QUICK, machine));
  console.log(JSON.stringify(Object.fromEntries(ratios.map(({ name, median }) => [name, median]))));
} else if (values.growth) {
  const growth = await measureGrowth(machine);
  keepResults({ growth });
  const text = growthTables(growth);
  replacePart("growth", text);
  console.log(text);
} else {
  installPeers();
  const comparison = summarize(FULL.tokens, await compare(FULL, machine));
  keepResults({ comparison });
  const text = comparisonTable(comparison);
  replacePart("comparison", text);
  writeChart(comparisonChart(comparison));
  console.log(text);
}

/** What Latchkey is compared with stands in this folder's own package.json. */
function installPeers(): void {
  if (existsSync(join(import.meta.dirname, "node_modules"))) return;
  const { status } = spawnSync("npm", ["ci"], { cwd: import.meta.dirname, stdio: "inherit" });
  if (status !== 0) throw new Error("npm ci failed in bench/");
}
