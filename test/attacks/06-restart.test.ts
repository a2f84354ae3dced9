import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { verdictOf } from "../support/answers.ts";
import { useKinds } from "../support/kinds.ts";
import { type ServiceProcess, spawnService, untilServing } from "../support/process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";
import { refusalOf, type Wish } from "./world.ts";

type Root = Client<typeof TokenService>;

/** By what became of it: a secret, and what an introspection finds. */
type Verdicts = Record<string, readonly [secret: string, verdict: string]>;

const variables = useKinds();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-restart-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function start(store: string): Promise<{ service: ServiceProcess; root: Root }> {
  const service = spawnService({
    ...variables(),
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: store,
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  });
  onTestFinished(service.destroy);
  return { service, root: createServiceClient(await untilServing(service), ROOT_TOKEN) };
}

/** Ends tokens and secrets in all ways that there are. */
async function endAll(root: Root): Promise<Verdicts> {
  const make = async (wish: Partial<Wish> = {}) => {
    const { token, secret } = await root.create({ subject: "ada", kind: "service", ...wish });
    return { id: token?.id as string, handle: { case: "id", value: token?.id as string } as const, secret };
  };
  const verdicts: Verdicts = {};

  for (const kind of ["service", "access"]) {
    const deleted = await make({ kind });
    await root.delete({ token: deleted.handle });
    const off = await make({ kind });
    await root.setActive({ token: off.handle, active: false });
    const rotated = await make({ kind });
    const { secret: next } = await root.rotate({ token: rotated.handle });
    verdicts[`a deleted ${kind}`] = [deleted.secret, "UNKNOWN"];
    verdicts[`a ${kind} that is off`] = [off.secret, "INACTIVE"];
    verdicts[`the old secret of a rotated ${kind}`] = [rotated.secret, "SPENT"];
    verdicts[`the new secret of a rotated ${kind}`] = [next, "ACTIVE"];
  }

  const waiting = await make();
  const { secret: first } = await root.rotate({ token: waiting.handle, activateOnFirstUse: true });
  await root.introspect({ secret: first });
  verdicts["the old secret after the first use of the new one"] = [waiting.secret, "SPENT"];
  verdicts["the new secret after its first use"] = [first, "ACTIVE"];

  for (const kind of ["link", "ticket"]) {
    const used = await make({ kind });
    await root.introspect({ secret: used.secret });
    const exchanged = await make({ kind });
    const session = await root.exchange({ secret: exchanged.secret });
    verdicts[`a used ${kind}`] = [used.secret, "EXHAUSTED"];
    verdicts[`an exchanged ${kind}`] = [exchanged.secret, "EXHAUSTED"];
    verdicts[`the session for a ${kind}`] = [session.secret, "ACTIVE"];
  }

  const rotating = await make({ kind: "rotating" });
  const exchanged = await root.exchange({ secret: rotating.secret });
  verdicts["a spent secret of a rotating token"] = [rotating.secret, "SPENT"];
  verdicts["the next secret of a rotating token"] = [exchanged.parentSecret, "ACTIVE"];

  const strict = await make({ kind: "strict" });
  const stolen = await root.exchange({ secret: strict.secret });
  await refusalOf(root.exchange({ secret: strict.secret }));
  verdicts["a token that died of reuse"] = [stolen.parentSecret, "UNKNOWN"];
  verdicts["a child of a token that died of reuse"] = [stolen.secret, "UNKNOWN"];

  const parent = await make({ kind: "refresh" });
  const child = await root.exchange({ secret: parent.secret });
  await root.delete({ token: parent.handle });
  verdicts["a child of a deleted token"] = [child.secret, "UNKNOWN"];

  const all = await make({ subject: "eve" });
  await root.deleteAll({ subject: "eve" });
  verdicts["a token of which all were deleted"] = [all.secret, "UNKNOWN"];

  const short = await make({ lifetime: { case: "ttl", value: { nanos: 20_000_000 } } });
  await expect
    .poll(async () => verdictOf(await root.introspect({ secret: short.secret })), { timeout: 5000 })
    .toBe("EXPIRED");
  verdicts["an expired token"] = [short.secret, "EXPIRED"];
  return verdicts;
}

async function judgeAll(root: Root, verdicts: Verdicts): Promise<Record<string, string>> {
  const requests = Object.values(verdicts).map(([secret]) => ({ secret, peek: true }));
  const { responses } = await root.batchIntrospect({ requests });
  return Object.fromEntries(
    Object.keys(verdicts).map((name, index) => [name, verdictOf(responses[index] as (typeof responses)[0])]),
  );
}

describe("nothing that was ended comes back, and nothing that is good is lost, with", () => {
  type End = (service: ServiceProcess, redis: RedisServer | undefined) => Promise<unknown>;
  const terminate: End = ({ child, exit }) => {
    child.kill("SIGTERM");
    return exit;
  };
  const kill: End = ({ child, exit }) => {
    child.kill("SIGKILL");
    return exit;
  };
  const ENDS: [how: string, store: string, end: End][] = [
    ["a polite restart on SQLite", "SQLite", terminate],
    ["a kill -9 on SQLite", "SQLite", kill],
    ["a polite restart on Redis", "Redis", terminate],
    [
      "a kill -9 of the service and of Redis",
      "Redis",
      (service, redis) => Promise.all([kill(service, redis), redis?.kill().then(redis.start)]),
    ],
  ];

  test.each(ENDS)("%s", { timeout: 40_000 }, async (_, store, end) => {
    const redis =
      store === "Redis" ? await startRedis({ config: { appendonly: "yes", appendfsync: "always" } }) : undefined;
    if (redis) onTestFinished(() => redis.stop());
    const location = redis?.url ?? `sqlite:${join(folder, "latchkey.db")}`;
    const first = await start(location);
    const verdicts = await endAll(first.root);
    const expected = Object.fromEntries(Object.entries(verdicts).map(([name, [, verdict]]) => [name, verdict]));
    expect(await judgeAll(first.root, verdicts)).toEqual(expected);
    const gone = { subject: "ada", kind: "named", label: "the label", requestId: randomUUID() };
    const { token } = await first.root.create(gone);
    await first.root.delete({ token: { case: "id", value: token?.id as string } });

    await end(first.service, redis);

    const { root } = await start(location);
    expect(await judgeAll(root, verdicts)).toEqual(expected);
    expect(await refusalOf(root.create(gone))).toBe("NotFound TOKEN_NOT_FOUND");
    expect((await root.create({ ...gone, requestId: randomUUID() })).secret).toMatch(/^lk_nam_/);
  });
});
