import { expect, test } from "vitest";
import { Cluster, spawnPiped } from "./workers/cluster.ts";

test("lines of several processes don't mix, also where somebody reads them so slowly that they pile up", async () => {
  const cluster = await Cluster.start({ LATCHKEY_WORKERS: "3" }, spawnPiped);
  const clients = cluster.clients(2, 3);
  cluster.process.child.stderr.pause();
  // Many times what a pipe holds, and less than what may wait in each process.
  const calls = 6000;
  for (let round = 0; round < calls / 300; round++) {
    await Promise.all(
      clients.flatMap((client) => Array.from({ length: 50 }, () => client.introspect({ secret: "x" }))),
    );
  }
  cluster.process.child.stderr.resume();
  // Whoever reads a line that is not whole throws.
  await cluster.until(() => expect(cluster.linesOf("call")).toHaveLength(calls));
  expect(new Set(cluster.linesOf("call").map(({ worker }) => worker))).toEqual(new Set([1, 2, 3]));
});
