import type { Growth } from "../growth/growth.ts";
import type { Cost } from "../growth/rounds.ts";
import type { Comparison, Summary } from "./results.ts";

/** A table of Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The comparison in words of Markdown: times as multiples of the limit's, since those of one machine mean little elsewhere. */
export function comparisonTable({ candidates, ratios }: Comparison): string {
  const [limit] = candidates;
  if (!limit) throw new Error("nothing was measured");
  const rates = table(
    [
      "",
      "candidate",
      "calls per core",
      "spread",
      "CPU per call",
      "p50",
      "p99",
      "heap per call",
      "memory",
      "server's core",
    ],
    candidates.map((candidate) => [
      `(${candidate.letter})`,
      candidate.name,
      share(candidate.callsPerCoreSecond.median, limit),
      `${share(candidate.callsPerCoreSecond.low, limit)} to ${share(candidate.callsPerCoreSecond.high, limit)}`,
      times(candidate.cpuPerCall / limit.cpuPerCall),
      times(candidate.p50 / limit.p50),
      times(candidate.p99 / limit.p99),
      `${(candidate.heapPerCall / 1024).toFixed(1)} KiB`,
      `${Math.round(candidate.memory / 2 ** 20)} MiB`,
      `${Math.round(candidate.busy.server * 100)} %`,
    ]),
  );
  const promises = table(
    ["ratio", "goal", "median", "spread over the rounds"],
    ratios.map(({ name, atLeast, median, low, high }) => [
      name.replace(/\w/g, "($&)"),
      `≥ ${atLeast}`,
      String(median),
      `${low} to ${high}`,
    ]),
  );
  return [rates, promises, ...disturbance(candidates)].join("\n\n");
}

/** Below this share of its core a server was kept from working: by the machine's other work, or by a load that was too weak. */
const SATURATED = 0.9;

function disturbance(candidates: readonly Summary[]): string[] {
  const starved = candidates.filter(({ busy }) => busy.server < SATURATED).map(({ letter }) => `(${letter})`);
  if (starved.length === 0) return [];
  return [
    `In this run ${starved.join(", ")} did not use all of its core: the other one, which makes the load, had no more to give.`,
  ];
}

function share(rate: number, limit: Summary): string {
  return (rate / limit.callsPerCoreSecond.median).toFixed(2);
}

function times(factor: number): string {
  return `${factor.toFixed(1)} ×`;
}

/** What more tokens cost, in words of Markdown. */
export function growthTables({ manyTokens, batches, largeSubjects, removals }: Growth): string {
  const [list, create] = [largeSubjects[0]?.list, largeSubjects[0]?.create];
  return [
    table(
      ["tokens in the store", "Introspect per core", "Redis' time per call", "Redis' memory per token"],
      manyTokens.map(({ tokens, introspect, redisBytesPerToken }) => [
        count(tokens),
        introspect.ofFirst.toFixed(2),
        times(introspect.redisPerCall / (manyTokens[0]?.introspect.redisPerCall ?? Number.NaN)),
        `${redisBytesPerToken} bytes`,
      ]),
    ),
    `BatchIntrospect of 100: ${times(batches.latchkey)} the tokens per core of Introspect; ${times(batches.bare)} with a bare server.`,
    table(
      ["tokens of the subject", "List per core", "Redis' time", "p50", "Create per core", "Redis' time", "p50"],
      largeSubjects.map((subject) => [
        count(subject.tokens),
        ...cost(subject.list, list),
        ...cost(subject.create, create),
      ]),
    ),
    table(
      ["DeleteAll of", "takes", "longest wait of others meanwhile", "longest wait without it"],
      removals.map(({ tokens, duration, longestWait, longestOtherwise }) => [
        count(tokens),
        `${duration} ms`,
        `${longestWait} ms`,
        `${longestOtherwise} ms`,
      ]),
    ),
  ].join("\n\n");
}

function cost({ ofFirst, redisPerCall, p50 }: Cost, first: Cost | undefined): string[] {
  const over = (value: number, base = Number.NaN) => times(value / base);
  return [ofFirst.toFixed(2), over(redisPerCall, first?.redisPerCall), over(p50, first?.p50)];
}

function count(tokens: number): string {
  return tokens.toLocaleString("en");
}
