import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { TokenService } from "../../gen/latchkey/v1/token_service_pb.ts";
import { introspectOverGrpc } from "../candidates/table.ts";
import type { Load } from "../machine/load.ts";
import type { Machine } from "../machine/machine.ts";
import { median } from "../report/statistics.ts";
import type { World } from "./world.ts";

/** What others notice while all tokens of a subject are deleted. Milliseconds. */
export interface Removal {
  readonly tokens: number;
  readonly duration: number;
  /** The longest that an introspection of another token took meanwhile, and in a time as long without the deletion. */
  readonly longestWait: number;
  readonly longestOtherwise: number;
}

const SIZES = [10_000, 100_000];
const ROUNDS = 3;
/** Introspections a second. */
const RATE = 1_000;
/** Seconds for which they are watched before a deletion begins, and at most. */
const BEFORE = 1;
const AT_MOST = 60;

export async function measureRemovals(world: World, machine: Machine): Promise<Removal[]> {
  machine.say("makes subjects of 10,000 and 100,000 tokens, to be deleted");
  await world.addSubjects(SIZES.map((tokensEach) => ({ name: `gone-${tokensEach}`, tokensEach, subjects: ROUNDS })));
  const client = createClient(TokenService, createGrpcTransport({ baseUrl: world.server.url }));
  const headers = { authorization: `Bearer ${world.filled.admin}` };
  // The first calls after a while are slow for everybody.
  await watchWaits(machine.load, world, delay(3000));

  const removeAll = async (subject: string, tokens: number) => {
    await delay(BEFORE * 1000);
    const start = performance.now();
    // What a caller does whom the store did not answer in time: it asks again, and the deletion goes on where it was.
    for (let deleted = 0; deleted < tokens; ) {
      const answer = await client.deleteAll({ subject }, { headers, timeoutMs: 30_000 }).catch(unlessUnavailable);
      if (answer?.deletedCount === 0n) break;
      deleted += Number(answer?.deletedCount ?? 0);
    }
    return performance.now() - start;
  };

  const removals: Removal[] = [];
  for (const tokens of SIZES) {
    const rounds: Removal[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      machine.say(`DeleteAll of ${tokens} tokens, ${round + 1} of ${ROUNDS}`);
      const removal = removeAll(`gone-${tokens}-${String(round).padStart(5, "0")}`, tokens);
      const [duration, longestWait] = await Promise.all([removal, watchWaits(machine.load, world, removal)]);
      const longestOtherwise = await watchWaits(machine.load, world, delay(BEFORE * 1000 + duration));
      rounds.push({ tokens, duration, longestWait, longestOtherwise });
    }
    removals.push(middleOf(tokens, rounds));
  }
  return removals;
}

function unlessUnavailable(error: unknown): undefined {
  if (ConnectError.from(error).code !== Code.Unavailable) throw error;
}

function middleOf(tokens: number, rounds: readonly Removal[]): Removal {
  const over = (part: keyof Removal) => Math.round(median(rounds.map((round) => round[part])));
  const [duration, longestWait, longestOtherwise] = [over("duration"), over("longestWait"), over("longestOtherwise")];
  return { tokens, duration, longestWait, longestOtherwise };
}

/** The longest wait of an introspection until `end`, in milliseconds. */
async function watchWaits(load: Load, { server, filled }: World, end: Promise<unknown>): Promise<number> {
  const target = introspectOverGrpc(server.url, filled.keys, filled.introspector);
  const pace = { type: "open", rate: RATE } as const;
  const { latency } = await load.run({ target, pace, warmUp: 0.3, seconds: AT_MOST, watch: [] }, end);
  return latency.max / 1000;
}
