import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { replaceBetween } from "../../bench/report/page.ts";
import { provideTools } from "../support/system-tools.ts";
import { longPlan } from "./plans.ts";
import { soak } from "./soak.ts";
import { soakTable } from "./table.ts";
import { findingsIn, LONG } from "./verdict.ts";

/** What the page tells of. */
const FULL = 30;
const PAGE = join(import.meta.dirname, "../../docs/soak.md");

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: String(FULL) },
    /** A file for all that was measured, as JSON. */
    record: { type: "string" },
  },
});
const minutes = Number(values.minutes);
if (!(minutes >= 2)) throw new Error("--minutes must be 2 or more");
provideTools("The soak", [{ command: "redis-server", package: "redis-server" }]);

const record = await soak(longPlan(minutes), (text) => console.log(text));
if (values.record) writeFileSync(values.record, JSON.stringify({ ...record, faults: [...record.faults] }));
const table = soakTable(record, LONG);
console.log(`\n${table}\n`);
const findings = findingsIn(record, LONG);
for (const finding of findings) console.log(`FOUND: ${finding}`);
console.log(findings.length === 0 ? "sound" : `${findings.length} findings`);
if (minutes >= FULL && findings.length === 0) {
  writeFileSync(PAGE, replaceBetween(readFileSync(PAGE, "utf8"), "soak", table));
}
process.exitCode = findings.length === 0 ? 0 : 1;
