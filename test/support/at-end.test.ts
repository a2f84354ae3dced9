import { existsSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { spawnCommand } from "./process.ts";
import { waitUntil } from "./wait.ts";

const PROGRAM = `
import { startRedis } from ${JSON.stringify(import.meta.resolve("./redis-server.ts"))};
import { openPartition } from ${JSON.stringify(import.meta.resolve("./partition.ts"))};
const server = await startRedis();
const pid = /process_id:(\\d+)/.exec(await server.admin.info("server"))[1];
const [, folder] = await server.admin.config("GET", "dir");
const [namespace] = openPartition().island.run([]).slice(-1);
console.log(JSON.stringify({ pid, folder, namespace }));
`;

it.each(["SIGKILL", "SIGINT", "SIGTERM"] as const)(
  "a process that ends by %s leaves nothing of its own behind",
  async (signal) => {
    const program = spawnCommand(process.execPath, ["--input-type=module", "--eval", PROGRAM], {});
    onTestFinished(program.destroy);
    await waitUntil("it has started", async () => program.stdout().includes("\n"));
    const { pid, folder, namespace } = JSON.parse(program.stdout());
    const left = () =>
      [`/proc/${pid}/exe`, folder, `/run/netns/${namespace}`, `/sys/class/net/d${namespace}`].filter((path) =>
        existsSync(path),
      );
    expect(left().slice(0, 2)).toEqual([`/proc/${pid}/exe`, folder]);
    program.child.kill(signal);
    await waitUntil("all is gone", async () => left().length === 0);
  },
);
