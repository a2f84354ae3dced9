import { expect, test } from "vitest";
import { Cluster } from "./cluster.ts";

test("a connection that is on its way to a worker which dies is closed, and leaves nobody waiting", async () => {
  const cluster = await Cluster.start();
  const [stopped, pid] = [1, cluster.pidOf(1)];
  process.kill(pid, "SIGSTOP");
  // One goes to the worker that has stopped; it takes none, so that all others go to the other one.
  let answered = 0;
  const asked = Array.from({ length: 4 }, async () => {
    const answer = await fetch(`${cluster.url}/healthz`, { headers: { connection: "close" } });
    answered++;
    return answer.status;
  });
  await cluster.until(() => expect(answered).toBe(3));
  process.kill(pid, "SIGKILL");
  const outcomes = await Promise.allSettled(asked);
  expect(outcomes.filter(({ status }) => status === "rejected")).toMatchObject([
    { reason: { message: "fetch failed" } },
  ]);
  await cluster.untilReplaced(stopped, pid);
  for (const client of cluster.clients(1, 2)) await client.list({});
});
