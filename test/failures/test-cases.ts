import { onTestFinished, test } from "vitest";
import { useKinds } from "../support/kinds.ts";
import { expectPromised } from "./expect-case.ts";
import type { FailingServers, FailureCase } from "./failure-case.ts";
import type { Figures } from "./figures.ts";
import { runCase } from "./run-case.ts";

declare module "vitest" {
  interface TaskMeta {
    /** What the report says of a case. */
    failure?: Tried & { readonly figures: Figures };
  }
}

/** A case, as it is tried once. */
export interface Tried {
  readonly what: string;
  /** How many are waited for. */
  readonly replicas: number;
  /** Whether all that was acknowledged must stand. */
  readonly promised: boolean;
}

/** A test of each case, on servers of its own. */
export function testCases<Servers extends FailingServers, Case extends FailureCase<Servers>>(
  start: (failure: Case) => Promise<Servers>,
  cases: readonly Case[],
): void {
  const kinds = useKinds();
  const tries = cases.flatMap((failure) =>
    Object.entries(failure.stands).map(([replicas, promised]) => {
      const name = failure.what + (replicas === "0" ? "" : `, ${replicas} waited for`);
      return [name, failure, { what: failure.what, replicas: Number(replicas), promised }] as const;
    }),
  );
  test.for(tries)("%s", { timeout: 120_000 }, async ([, failure, tried], { task }) => {
    const servers = await start(failure);
    onTestFinished(() => servers.stop());
    const durability = tried.replicas > 0 && { LATCHKEY_WAIT_REPLICAS: `${tried.replicas}` };
    const outcome = await runCase(servers, failure, { ...kinds(), ...durability });
    const what = servers.partition?.isNetwork === false ? `${tried.what} (frozen instead)` : tried.what;
    task.meta.failure = { ...tried, what, figures: outcome.figures };
    expectPromised(failure, tried, outcome);
  });
}
