import { onTestFinished, test } from "vitest";
import { useKinds } from "../support/kinds.ts";
import { expectPromised } from "./expect-case.ts";
import type { FailureCase, Topology } from "./failure-case.ts";
import type { Figures } from "./figures.ts";
import { runCase } from "./run-case.ts";

declare module "vitest" {
  interface TaskMeta {
    /** What the report says of a case. */
    failure?: { readonly replicas: number; readonly promised: boolean; readonly figures: Figures };
  }
}

/** A test of each case, on servers of its own. */
export function testCases<Servers extends Topology>(
  start: (failure: FailureCase<Servers>) => Promise<Servers>,
  cases: readonly FailureCase<Servers>[],
): void {
  const kinds = useKinds();
  const named = cases.map((failure) => [failure.what, failure] as const);
  test.for(named)("%s", { timeout: 90_000 }, async ([, failure], { task }) => {
    const { replicas = 0, promised } = failure;
    const servers = await start(failure);
    onTestFinished(() => servers.stop());
    const outcome = await runCase(servers, failure, kinds());
    task.meta.failure = { replicas, promised, figures: outcome.figures };
    expectPromised(failure, outcome);
  });
}
