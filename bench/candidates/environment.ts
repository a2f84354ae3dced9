import type { AddressInfo, Server } from "node:net";
import { Redis } from "ioredis";
import type { ScriptedRedis } from "../../src/store/redis-scripts.ts";
import { ValueReader } from "../../src/store/redis-values.ts";

/** Reads as Latchkey does: all that is asked for in one turn with one command, without the pipelines of ioredis. For the bounds. */
export function connectValues(): ValueReader {
  const client = new Redis(required("REDIS_URL"));
  return new ValueReader({ read: (run) => run(client as ScriptedRedis) });
}

/** The client of the servers that Latchkey is compared with, as ioredis advises it for many small commands. */
export function connectRedis(): Redis {
  return new Redis(required("REDIS_URL"), { enableAutoPipelining: true });
}

/** The file with Latchkey's service keys, for who checks the same secrets. */
export function keysPath(): string {
  return required("KEYS");
}

/** Serves on a free port, and tells it the one that waits for it. */
export function announce(server: Server): void {
  server.listen(0, "127.0.0.1", () => tell((server.address() as AddressInfo).port));
}

export function tell(port: number): void {
  process.stdout.write(`serves on http://127.0.0.1:${port} now\n`);
}

export function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
