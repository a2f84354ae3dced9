import type { SoakRecord } from "./soak.ts";
import { type Bounds, placesOf, type Row, rowsOf } from "./verdict.ts";

const MIB = 2 ** 20;
const MEMORY = ["resident", "heap", "external", "memory"];

/** What a run has shown, as Markdown. */
export function soakTable(record: SoakRecord, bounds: Bounds): string {
  const { plan, calls, reloads, faults, samples, before, after } = record;
  const wrong = [...faults.values()].reduce((sum, count) => sum + count, 0);
  const minutes = (samples.at(-1)?.time ?? 0) / 60_000;
  const lines = [
    `${Number(minutes.toFixed(1))} minutes, ${plan.workers} workers, ${calls.toLocaleString("en")} calls, ${samples.length} samples, ` +
      `the keys read ${reloads} times: **${wrong} wrong answers and errors**.`,
    "",
    "| while clients call |  | second quarter | last quarter | trend | bound |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rowsOf(record, bounds).map(showRow),
    "",
    "| at rest, before → after | " +
      "heap (MiB) | descriptors | handles and timers | listeners | objects that can be listened to | all objects |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...placesOf(plan.workers).map((where, index) => {
      const [first, last] = [before, after].map(({ processes }) => processes[index]);
      if (!first || !last) return "";
      const counts = (["descriptors", "resources", "allListeners", "emitters", "objects"] as const).map(
        (name) => `${first[name]} → ${last[name]}`,
      );
      return `| ${where} | ${show("heap", first.heap)} → ${show("heap", last.heap)} | ${counts.join(" | ")} |`;
    }),
    "",
    `Keys in Redis at rest: ${Object.entries(before.store.keys)
      .toSorted()
      .map(([prefix, count]) => `\`${prefix}\` ${count} → ${after.store.keys[prefix] ?? 0}`)
      .join(", ")}.`,
  ];
  return lines.join("\n");
}

function showRow({ what, where, growth, bound }: Row): string {
  const figures = [growth.early, growth.late, growth.trend, bound].map((value) => show(what, value));
  const unit = MEMORY.includes(what) ? " (MiB)" : "";
  return `| ${what}${unit} | ${where} | ${figures.join(" | ")} |`;
}

function show(what: string, value: number): string {
  return MEMORY.includes(what) ? (value / MIB).toFixed(2) : value.toFixed(1);
}
