import { join } from "node:path";
import { Writable } from "node:stream";
import { findFreePort } from "../support/free-port.ts";
import type { Partition } from "../support/partition.ts";
import { spawnCommand, untilServing } from "../support/process.ts";
import { ROOT_TOKEN, startService } from "../support/service.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

/** Lines that tell of an outage: its beginning, or another cause of it, and its end. */
export const LOST = /^the store.* is lost/;
export const BACK = /^the store is back/;

/** A Latchkey that serves. */
export interface Instance {
  readonly url: string;
  /** What it has told its operator so far of anything but single calls. */
  lines(): string[];
  close(): Promise<unknown>;
}

/** In this process. */
export async function startInstance(variables: Record<string, string>): Promise<Instance> {
  let written = "";
  const stream = new Writable({
    write(chunk, _, done) {
      written += chunk;
      done();
    },
  });
  const service = await startService(variables, { level: "info", stream });
  return { url: service.url, lines: () => readLines(written), close: () => service.close() };
}

/** On the island, where there is one: its Redis is on that side, and the test reaches it whatever is cut. */
export async function startIslandInstance(
  variables: Record<string, string>,
  { isNetwork, island }: Partition,
): Promise<Instance> {
  if (!isNetwork) return startInstance(variables);
  const [command = "", ...words] = island.run([process.execPath, MAIN]);
  const service = spawnCommand(command, words, {
    ...variables,
    LATCHKEY_LISTEN: `${island.control}:${await findFreePort()}`,
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  });
  const close = () => {
    service.destroy();
    return service.exit;
  };
  try {
    const url = await untilServing(service);
    return { url, lines: () => readLines(service.stderr()), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function readLines(written: string): string[] {
  const lines = written.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line).msg as string).filter((message) => message !== "call");
}
