import { type RedisServer, startRedis } from "../../test/support/redis-server.ts";
import { pin } from "./cores.ts";

/** A Redis for the benchmark alone, kept to a core. */
export interface BenchRedis extends RedisServer {
  readonly pid: number;
  /** Bytes that its data takes now. */
  usedMemory(): Promise<number>;
}

export async function startBenchRedis(core: string): Promise<BenchRedis> {
  const redis = await startRedis();
  const pid = Number(await infoOf(redis, "server", "process_id"));
  process.once("exit", () => endProcess(pid));
  pin(core, pid);
  return { ...redis, pid, usedMemory: async () => Number(await infoOf(redis, "memory", "used_memory")) };
}

async function infoOf({ admin }: RedisServer, section: string, name: string): Promise<string> {
  const [, value = ""] = new RegExp(`^${name}:(.*)$`, "m").exec(await admin.info(section)) ?? [];
  return value.trim();
}

/** For the case that this process ends without stopping what it has started. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It was stopped in time.
  }
}
