import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Reporter, TestCase, TestModule, TestRunEndReason } from "vitest/node";

const PAGE = join(import.meta.dirname, "../../docs/failures.md");

/** Each column, and what it says of a case. */
const COLUMNS: readonly [head: string, cell: (test: TestCase) => string | number | undefined][] = [
  ["what happens", (test) => failureOf(test).what],
  ["replicas waited for", (test) => failureOf(test).replicas],
  ["promised", (test) => (failureOf(test).promised ? "all stands" : "nothing")],
  ["acknowledged", (test) => figuresOf(test).acknowledged],
  ["UNAVAILABLE", (test) => figuresOf(test).refused],
  ["DEADLINE_EXCEEDED", (test) => figuresOf(test).late],
  ["lost", (test) => figuresOf(test).lost],
  ["wrongly active", (test) => figuresOf(test).revived],
  ["otherwise wrong", (test) => figuresOf(test).otherwise],
  ["no reads for, ms", (test) => figuresOf(test).withoutReads],
  ["no writes for, ms", (test) => figuresOf(test).withoutWrites],
  ["not ready after, ms", (test) => figuresOf(test).unready],
  ["slowest call, ms", (test) => figuresOf(test).slowest],
  ["latest past its deadline, ms", (test) => figuresOf(test).overrun],
];

/** Writes docs/failures.md from the figures of a run, if all went as promised. */
export default class FailuresReport implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], _errors: unknown, reason: TestRunEndReason): void {
    if (reason !== "passed") return;
    const inOrder = modules.toSorted((a, b) => b.moduleId.localeCompare(a.moduleId));
    const suites = inOrder.flatMap((module) => [...module.children.suites()]);
    const sections = suites.map((suite) => `## ${suite.name}\n\n${tabulate([...suite.children.tests()])}\n`);
    writeFileSync(PAGE, [introduce(), ...sections].join("\n"));
  }
}

function tabulate(tests: readonly TestCase[]): string {
  const rows = tests.map((test) => COLUMNS.map(([, cell]) => show(cell(test))));
  const numeric = COLUMNS.map(([, cell]) => (tests.some((test) => typeof cell(test) === "number") ? "---:" : "---"));
  const lines = [COLUMNS.map(([head]) => head), numeric, ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function show(cell: string | number | undefined): string {
  return typeof cell === "number" ? cell.toLocaleString("en") : (cell ?? "–");
}

function failureOf(test: TestCase) {
  const { failure } = test.meta();
  if (!failure) throw new Error(`${test.name} has no figures`);
  return failure;
}

const figuresOf = (test: TestCase) => failureOf(test).figures;

function introduce(): string {
  const [redis] = /[0-9.]+/.exec(execFileSync("redis-server", ["--version"], { encoding: "utf8" })) ?? [];
  return `# When Redis fails: what was measured

Written by \`npm run report:failures\`: Redis ${redis}, Node ${process.versions.node}, ${availableParallelism()} cores, which the servers of Redis, two instances of Latchkey and
six clients share. Each case has servers of its own, and goes wrong while the clients make, introspect, rotate, exchange, switch and delete
tokens through both instances, 24 calls at once, over Connect and gRPC. Afterwards all is mended, nothing of Latchkey is started again, and every
secret that there ever was is looked at through both. All answers together are held against what a correct service can have answered
(\`test/history\`).

- **lost**: tokens whose making was acknowledged, that nobody can have deleted, and that are gone. **Wrongly active**: tokens whose deletion or
  switching off was acknowledged, and that are good again. **Otherwise wrong**: other answers that contradict an acknowledgement, such as an old
  secret that is good again. All are 0 where it is promised that all stands; \`npm run test:failures\` fails if not.
- **No reads for**, **no writes for**: the longest time without an answer that is no refusal; in a cluster, for the shard that it hit most.
- **Not ready after**: until the last of the instances that said so at all did, by \`/readyz\` and by gRPC health; – where none did.
  \`/healthz\` was good all the time.
- Sentinels count a server as down after 1.5 seconds and turn a master that is back into a replica after 3, a cluster's nodes after
  1 second. By Redis' defaults that is 30, 10 and 15 seconds, and the times without service are longer by as much.
- Of a partition, the minority side has the master, one of the instances and its clients. The sides are two network namespaces, unless a
  row says that the servers of that side were frozen instead.
- Every call had a deadline of 2 seconds, each fifth one of 0.1 seconds, which the service has to keep: the clients did not end calls. What was
  not answered was refused with UNAVAILABLE and a RetryInfo, or with DEADLINE_EXCEEDED.
`;
}
