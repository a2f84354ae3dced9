import { introspectOverGrpc } from "../candidates/table.ts";
import type { Machine } from "../machine/machine.ts";
import { round2 } from "../report/statistics.ts";
import { measureInTurn } from "./rounds.ts";
import type { World } from "./world.ts";

const BATCH = 100;

/** How many tokens a second one core introspects a hundred at once, as a multiple of one by one. */
export async function measureBatch(world: World, machine: Machine): Promise<number> {
  machine.say(`BatchIntrospect of ${BATCH} beside Introspect`);
  const single = introspectOverGrpc(world.server.url, world.filled.keys, world.filled.introspector);
  const batch = {
    ...single,
    path: "/latchkey.v1.TokenService/BatchIntrospect",
    keysPerCall: BATCH,
    depth: 2,
    expect: { type: "verdicts" },
  } as const;
  const [, cost] = await measureInTurn(
    [
      { world, target: single },
      { world, target: batch },
    ],
    machine,
  );
  return round2((cost?.ofFirst ?? Number.NaN) * BATCH);
}
