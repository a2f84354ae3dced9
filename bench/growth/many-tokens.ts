import { introspectOverGrpc } from "../candidates/table.ts";
import type { Machine } from "../machine/machine.ts";
import { type Cost, measureInTurn } from "./rounds.ts";
import type { World } from "./world.ts";

/** What an introspection and a token cost among so many. */
export interface ManyTokens {
  readonly tokens: number;
  readonly introspect: Cost;
  readonly redisBytesPerToken: number;
}

export async function measureManyTokens(worlds: readonly World[], machine: Machine): Promise<ManyTokens[]> {
  machine.say("Introspect among more and more tokens");
  const subjects = worlds.map((world) => ({
    world,
    target: introspectOverGrpc(world.server.url, world.filled.keys, world.filled.introspector),
  }));
  const costs = await measureInTurn(subjects, machine);
  return worlds.map(({ tokens, bytesPerToken }, index) => ({
    tokens,
    introspect: costs[index] as Cost,
    redisBytesPerToken: Math.round(bytesPerToken),
  }));
}
