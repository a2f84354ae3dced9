import { mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startRedisCluster } from "../support/redis-cluster.ts";
import { startService } from "../support/service.ts";
import { findShell } from "./page.ts";
import { runShell } from "./shell.ts";

const OWNERS = 30;

test("a cluster is backed up master by master, and restored in its place", { timeout: 120_000 }, async () => {
  const cluster = await startRedisCluster({ config: { appendonly: "yes", "repl-diskless-sync-delay": "0" } });
  onTestFinished(() => cluster.stop());
  const folder = mkdtempSync(join(tmpdir(), "latchkey-cluster-backup-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const keys = { LATCHKEY_STORE: cluster.url, LATCHKEY_KEYS: join(folder, "keys.yaml") };
  const before = await startService(keys);
  const make = (subject: string) => before.client().create({ subject, kind: "personal" });
  const kept = await Promise.all(Array.from({ length: OWNERS }, (_, owner) => make(`ada-${owner}`)));

  const [masters, replicas] = [cluster.nodes.slice(0, 3), cluster.nodes.slice(3)];
  const folders = new Map<unknown, string>();
  for (const node of cluster.nodes) folders.set(node, (await node.admin.config("GET", "dir"))[1] as string);
  for (const { port } of masters) {
    await runShell(findShell("--rdb"), folder, {}, port);
    renameSync(join(folder, "latchkey.rdb"), join(folder, `${port}.rdb`));
  }
  for (let owner = 0; owner < OWNERS; owner++) await before.client().deleteAll({ subject: `ada-${owner}` });
  const since = await make("eve");
  await before.close();

  for (const node of cluster.nodes) {
    await node.kill();
    const data = folders.get(node) as string;
    for (const name of readdirSync(data)) {
      if (!/^(nodes|redis)\.conf$/.test(name)) rmSync(join(data, name), { recursive: true });
    }
  }
  for (const node of masters) {
    renameSync(join(folder, `${node.port}.rdb`), join(folder, "latchkey.rdb"));
    await runShell(findShell("appendonlydir"), folder, { DATA: folders.get(node) as string });
    await node.start();
  }
  for (const node of replicas) await node.start();
  await cluster.untilHealthy();

  const after = await startService(keys);
  onTestFinished(() => after.close());
  const judge = async (secrets: string[]) => {
    const { responses } = await after.client().batchIntrospect({ requests: secrets.map((secret) => ({ secret })) });
    return responses.map(({ active }) => active);
  };
  expect(await judge([since.secret])).toEqual([false]);
  expect(await judge(kept.map(({ secret }) => secret))).toEqual(Array(OWNERS).fill(true));
  // In all three parts, or the one would stand for the others.
  const sizes = await Promise.all(masters.map(({ admin }) => admin.dbsize()));
  expect(sizes.every((size) => size > 2)).toBe(true);
});
