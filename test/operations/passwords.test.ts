import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test, vi } from "vitest";
import { spawnService, untilServing } from "../support/process.ts";
import { startRedis } from "../support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";
import { findShell } from "./page.ts";
import { runShell } from "./shell.ts";

test("the password of Redis is changed while instances serve, and no call is refused", {
  timeout: 60_000,
}, async () => {
  const [OLD_PASSWORD, NEW_PASSWORD] = ["the-old-password", "the-new-password"];
  const redis = await startRedis({ aclUser: { name: "latchkey", password: OLD_PASSWORD } });
  onTestFinished(() => redis.stop());
  const folder = mkdtempSync(`${tmpdir()}/latchkey-passwords-`);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const spawn = (password: string) => {
    const service = spawnService({
      LATCHKEY_LISTEN: "127.0.0.1:0",
      LATCHKEY_STORE: `redis://latchkey:${password}@127.0.0.1:${redis.port}`,
      LATCHKEY_KEYS: `${folder}/keys.yaml`,
      LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
    });
    onTestFinished(service.destroy);
    return service;
  };
  const start = async (password: string) => {
    const service = spawn(password);
    const url = await untilServing(service);
    return { ...service, url, root: createServiceClient(url, ROOT_TOKEN) };
  };
  const run = (part: string) => runShell(findShell(part), folder, { OLD_PASSWORD, NEW_PASSWORD }, redis.port);

  const forgotten = await start(OLD_PASSWORD);
  const { secret } = await forgotten.root.create({ subject: "ada", kind: "personal" });
  const expectGood = async (service: typeof forgotten) => {
    expect((await service.root.introspect({ secret })).active).toBe(true);
    await service.root.create({ subject: "ada", kind: "personal" });
  };

  await run(">$NEW_PASSWORD");
  await expectGood(forgotten);
  // One that happens to be started again before it is its turn.
  await expectGood(await start(OLD_PASSWORD));
  const restarted = await start(NEW_PASSWORD);
  for (const service of [forgotten, restarted]) await expectGood(service);
  await run("<$OLD_PASSWORD");
  for (const service of [forgotten, restarted]) await expectGood(service);

  const late = spawn(OLD_PASSWORD);
  expect(await late.exit).toBe(1);
  expect(late.stderr()).toContain("WRONGPASS");
  await redis.admin.call("CLIENT", "KILL", "USER", "latchkey");
  await vi.waitFor(
    () => expect(forgotten.stderr()).toMatch(/"cause":"[^"]*WRONGPASS.*"msg":"the store, or a part of it, is lost/),
    10_000,
  );
  await vi.waitFor(() => expectGood(restarted), 10_000);
  for (const { stderr } of [forgotten, restarted, late]) expect(stderr()).not.toMatch(/the-(old|new)-password/);
});
