import { join } from "node:path";
import type { FillOrder } from "../candidates/fill-order.ts";
import { latchkeyScript } from "../candidates/table.ts";
import type { KeyFile } from "../load/job.ts";
import type { Machine } from "../machine/machine.ts";
import { type BenchRedis, startBenchRedis } from "../machine/redis.ts";
import { runScript } from "../machine/script.ts";
import { type Server, startServer } from "../machine/server.ts";
import { isGone } from "../tokens/fill.ts";
import type { FilledLatchkey } from "../tokens/fill-latchkey.ts";
import type { SubjectSet } from "../tokens/fill-subjects.ts";

/** A Latchkey with so many tokens in a Redis of its own. */
export interface World {
  readonly tokens: number;
  readonly redis: BenchRedis;
  readonly server: Server;
  readonly filled: FilledLatchkey;
  /** Bytes of Redis for a token, with all that finds it. */
  readonly bytesPerToken: number;
  /** Makes more tokens, for subjects of their own; answers a key file of the subjects for each set. */
  addSubjects(sets: readonly Omit<SubjectSet, "path">[]): Promise<KeyFile[]>;
}

/** @param options.bare whether what the bare servers answer lies beside the tokens. */
export async function openWorld(
  tokens: number,
  machine: Machine,
  opened: AsyncDisposableStack,
  options: { readonly bare?: boolean } = {},
): Promise<World> {
  const { cores, folder, say } = machine;
  const redis = await startBenchRedis(cores.redis);
  opened.defer(() => redis.stop());
  const variables = { REDIS_URL: redis.url, KEYS: join(folder, "keys.yaml"), ...(options.bare && { BARE: "1" }) };
  const fill = async <T>(file: string, order: object): Promise<T> =>
    JSON.parse(await runScript({ file, variables: { ...variables, FILL: JSON.stringify(order) } })) as T;

  const files = join(folder, `latchkey-${tokens}${options.bare ? "-bare" : ""}`);
  say(`makes ${tokens} tokens`);
  const fillWith = (count: number): Promise<FilledLatchkey> => {
    const order: FillOrder = { count, path: `${files}.keys` };
    return fill("bench/tokens/fill-latchkey.ts", order);
  };
  // With the first tokens come scripts and buffers, which are no part of what a token takes.
  await fillWith(10);
  const before = await redis.usedMemory();
  const filled = await fillWith(tokens);
  const live = Array.from({ length: tokens }, (_, index) => index).filter((index) => !isGone(index)).length;
  const bytesPerToken = ((await redis.usedMemory()) - before) / live;

  const script = latchkeyScript(redis.url, variables.KEYS);
  const server = await startServer({ ...script, core: cores.server, log: `${files}.log` });
  opened.defer(() => server.stop());
  return {
    tokens,
    redis,
    server,
    filled,
    bytesPerToken,
    addSubjects: (sets) =>
      fill(
        "bench/tokens/fill-subjects.ts",
        sets.map((set) => ({ ...set, path: join(folder, `${set.name}.keys`) })),
      ),
  };
}
