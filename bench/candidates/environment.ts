import type { AddressInfo, Server } from "node:net";
import { Redis } from "ioredis";

/** The same client for all candidates that are not Latchkey, as ioredis advises it for many small commands. */
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
