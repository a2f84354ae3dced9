import { join } from "node:path";
import { introspectOverGrpc } from "../candidates/table.ts";
import type { Target } from "../load/job.ts";
import type { Machine } from "../machine/machine.ts";
import { startServer } from "../machine/server.ts";
import { round2 } from "../report/statistics.ts";
import { type Cost, measureInTurn } from "./rounds.ts";
import { openWorld } from "./world.ts";

const TOKENS = 100_000;
const BATCH = 100;

/** How many tokens a second one core introspects a hundred at once, as a multiple of one by one. */
export interface BatchGain {
  readonly latchkey: number;
  /** Of a server that does only what no server can leave out. */
  readonly bare: number;
}

/** Measures Latchkey and the bare server in turn, on the same tokens. */
export async function measureBatches(machine: Machine): Promise<BatchGain> {
  await using opened = new AsyncDisposableStack();
  const world = await openWorld(TOKENS, machine, opened, { bare: true });
  const { cores, folder, say } = machine;
  const bare = await startServer({
    file: "bench/candidates/bare-batch.ts",
    variables: { REDIS_URL: world.redis.url },
    core: cores.server,
    log: join(folder, "bare-batch.log"),
  });
  opened.defer(() => bare.stop());
  say(`introspects ${BATCH} at once and one by one`);
  const { keys, introspector } = world.filled;
  const servers = [world.server, bare];
  const subjects = servers.flatMap((server) => {
    const single = introspectOverGrpc(server.url, keys, introspector);
    return [single, inBatches(single)].map((target) => ({ world: { redis: world.redis, server }, target }));
  });
  const [single, batch, bareSingle, bareBatch] = await measureInTurn(subjects, machine);
  return { latchkey: gain(single, batch), bare: gain(bareSingle, bareBatch) };
}

function inBatches(single: Target): Target {
  return {
    ...single,
    path: "/latchkey.v1.TokenService/BatchIntrospect",
    keysPerCall: BATCH,
    depth: 2,
    expect: { type: "verdicts" },
  };
}

function gain(single: Cost | undefined, batch: Cost | undefined): number {
  return round2(((batch?.ofFirst ?? Number.NaN) / (single?.ofFirst ?? Number.NaN)) * BATCH);
}
