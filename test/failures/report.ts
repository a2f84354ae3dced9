import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";

const PAGE = join(import.meta.dirname, "../../docs/failures.md");

const HEAD = [
  "what happens",
  "replicas waited for",
  "acknowledged",
  "refused",
  "deadline passed",
  "lost",
  "wrongly active",
  "other contradictions",
  "longest without reads, ms",
  "without writes, ms",
  "slowest call, ms",
  "longest past a deadline, ms",
];

/** Writes docs/failures.md from the figures of a run: for `npm run test:failures -- --reporter=… --reporter=./test/failures/report.ts`. */
export default class FailuresReport implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const groups = Map.groupBy(tests, (test) => (test.parent.type === "suite" ? test.parent.name : ""));
    const tables = [...groups].map(([name, cases]) => `## ${name}\n\n${table(cases)}\n`);
    writeFileSync(PAGE, `${introduce()}\n${tables.join("\n")}`);
  }
}

function introduce(): string {
  return `# What becomes of acknowledged operations when Redis fails
`;
}

function table(cases: readonly TestCase[]): string {
  const rows = cases.map((test) => {
    const { failure } = test.meta();
    if (!failure) return [test.name, "no figures", ...HEAD.slice(2).map(() => "")];
    const { replicas, promised, figures } = failure;
    const { acknowledged, refused, late, lost, revived, otherwise, ...times } = figures;
    const numbers = [
      acknowledged,
      refused,
      late,
      ...[lost, revived, otherwise].map((count) => (promised ? `**${count}**` : count)),
      times.withoutReads,
      times.withoutWrites,
      times.slowest,
      times.overrun,
    ];
    return [test.name, replicas, ...numbers.map((n) => (typeof n === "number" ? n.toLocaleString("en") : n))];
  });
  return [HEAD, HEAD.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
void cpus;
