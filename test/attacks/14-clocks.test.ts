import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import type { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { verdictOf } from "../support/answers.ts";
import { KINDS, useKinds } from "../support/kinds.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { byId, startService, type TestService } from "../support/service.ts";
import { outcomeOf, refusalOf, type Wish } from "./world.ts";

type Root = Client<typeof TokenService>;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SKEWS = { right: 0, fast: 5 * MINUTE, slow: -5 * MINUTE };
type Name = keyof typeof SKEWS;

/** `brief` is not kept beyond its end. */
const variables = useKinds(`${KINDS}\n  - { name: brief, prefix: lk_bri, default_lifetime: 1m, retention: none }\n`);

const lasting = (milliseconds: number): Pick<Wish, "lifetime"> => ({
  lifetime: { case: "ttl", value: durationFromMs(milliseconds) },
});

let subjects = 0;
const owner = () => ({ tenant: "acme", subject: `subject-${++subjects}` });

async function judge(root: Root, secret: string): Promise<string> {
  return verdictOf(await root.introspect({ secret, peek: true }));
}

describe("on one Redis, instances whose clocks are 5 minutes apart", () => {
  let folder: string;
  let redis: RedisServer;
  const services = {} as Record<Name, TestService>;
  const roots = {} as Record<Name, Root>;
  const names = Object.keys(SKEWS) as Name[];
  /** How far the clocks are off besides, in milliseconds. */
  let leap = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "latchkey-clocks-"));
    redis = await startRedis();
    const shared = { ...variables(), LATCHKEY_STORE: redis.url, LATCHKEY_KEYS: join(folder, "keys.yaml") };
    for (const name of names) {
      const clock = () => Date.now() + SKEWS[name] + leap;
      services[name] = await startService(shared, undefined, { clock });
      roots[name] = services[name].client();
    }
  });
  afterAll(async () => {
    for (const service of Object.values(services)) await service.close();
    await redis.stop();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    leap = 0;
  });

  const judgeAll = async (secret: string) => {
    const verdicts = await Promise.all(names.map((name) => judge(roots[name], secret)));
    return [...new Set(verdicts)];
  };

  describe.each(names)("where the %s one makes a token", (maker) => {
    const make = (wish: Partial<Wish>) => roots[maker].create({ ...owner(), kind: "service", ...wish });

    test.each(["service", "access", "brief"])(
      "of kind %s, it is good for all, and ends for all at once",
      async (kind) => {
        const begin = performance.now();
        const { token, secret } = await make({ kind, ...lasting(800) });
        expect(await judgeAll(secret)).toEqual(["ACTIVE"]);
        const end = kind === "brief" ? "UNKNOWN" : "EXPIRED";
        await expect.poll(() => judgeAll(secret), { timeout: 4000 }).toEqual([end]);
        expect(performance.now() - begin).toBeGreaterThan(790);
        expect(performance.now() - begin).toBeLessThan(5000);
        expect(Math.abs(timestampMs(token?.createTime as never) - Date.now())).toBeLessThan(10_000);
      },
    );

    test("it holds its label and its place for all, until its end", async () => {
      const wish = { ...owner(), label: "the label", ...lasting(MINUTE) };
      const [named, few] = [await make({ ...wish, kind: "named" }), await make({ ...wish, kind: "few" })];
      await make({ ...wish, kind: "few" });
      for (const name of names) {
        expect(await refusalOf(roots[name].create({ ...wish, kind: "named" })), name).toBe("AlreadyExists LABEL_TAKEN");
        expect(await refusalOf(roots[name].create({ ...wish, kind: "few" })), name).toBe(
          "ResourceExhausted CAP_REACHED",
        );
      }
      for (const { token } of [named, few]) await roots.right.delete({ token: byId(token?.id as string) });
      expect(await outcomeOf(roots.fast.create({ ...wish, kind: "named" }))).toBe("ok");
      expect(await outcomeOf(roots.slow.create({ ...wish, kind: "few" }))).toBe("ok");
    });

    test("none of the others takes it for expired, and deletes it for that", async () => {
      const wish = { ...owner(), ...lasting(MINUTE) };
      const { token, secret } = await make(wish);
      for (const name of names) {
        expect((await roots[name].deleteAll({ ...wish, status: TokenStatus.EXPIRED })).deletedCount).toBe(0n);
        const { tokens } = await roots[name].list({ ...wish, status: TokenStatus.ACTIVE });
        expect(tokens.map(({ id }) => id)).toEqual([token?.id]);
      }
      expect(await judgeAll(secret)).toEqual(["ACTIVE"]);
    });

    test("an old secret of it has its grace with all, and not beyond it", async () => {
      const { token, secret } = await make({});
      const { secret: next } = await roots[maker].rotate({
        token: byId(token?.id as string),
        grace: durationFromMs(800),
      });
      expect(await judgeAll(secret)).toEqual(["ACTIVE"]);
      await expect.poll(() => judgeAll(secret), { timeout: 4000 }).toEqual(["SPENT"]);
      expect(await judgeAll(next)).toEqual(["ACTIVE"]);
    });

    test("with a request id, the others answer the same token for it", async () => {
      const wish = { ...owner(), ...lasting(MINUTE), requestId: randomUUID() };
      const { secret } = await make(wish);
      for (const name of names) {
        expect((await roots[name].create({ kind: "service", ...wish })).secret).toBe(secret);
      }
    });

    test("and another exchanges it, the child lives as long as it", async () => {
      const { token, secret } = await make({ kind: "refresh", ...lasting(MINUTE) });
      for (const name of names) {
        const { token: child, secret: made } = await roots[name].exchange({ secret });
        expect(child?.expireTime).toEqual(token?.expireTime);
        expect(await judgeAll(made)).toEqual(["ACTIVE"]);
      }
    });
  });

  test("leap to and fro: no token ends for it, and none that is ended comes back", async () => {
    const wish = { ...owner(), kind: "service" };
    const good = await roots.right.create({ ...wish, ...lasting(MINUTE) });
    const deleted = await roots.right.create({ ...wish, ...lasting(MINUTE) });
    await roots.fast.delete({ token: byId(deleted.token?.id as string) });
    const expired = await roots.slow.create({ ...wish, ...lasting(20) });
    await expect.poll(() => judgeAll(expired.secret), { timeout: 4000 }).toEqual(["EXPIRED"]);
    for (leap of [HOUR, -HOUR, 400 * 24 * HOUR, -400 * 24 * HOUR]) {
      expect(await judgeAll(good.secret)).toEqual(["ACTIVE"]);
      expect(await judgeAll(deleted.secret)).toEqual(["UNKNOWN"]);
      expect(await judgeAll(expired.secret)).toEqual(["EXPIRED"]);
    }
  });
});

describe("on SQLite, a clock that leaps and steps back", () => {
  let time = Date.now();
  let service: TestService;
  let root: Root;
  beforeAll(async () => {
    service = await startService(variables(), undefined, { clock: () => time });
    root = service.client();
  });
  afterAll(() => service.close());

  test("revives nothing that was deleted, used up, replaced or switched off", async () => {
    const make = async (kind: string) => {
      const { token, secret } = await root.create({ ...owner(), kind, ...lasting(10 * MINUTE) });
      return { token: byId(token?.id as string), secret };
    };
    const [deleted, used, rotated, off, exchanged] = [
      await make("service"),
      await make("link"),
      await make("service"),
      await make("service"),
      await make("rotating"),
    ];
    await root.delete(deleted);
    await root.introspect({ secret: used.secret });
    await root.rotate({ token: rotated.token });
    await root.setActive({ token: off.token, active: false });
    await root.exchange({ secret: exchanged.secret });
    for (const step of [0, 5 * MINUTE, -10 * MINUTE, 5 * MINUTE]) {
      time += step;
      const verdicts = [deleted, used, rotated, off, exchanged].map(({ secret }) => judge(root, secret));
      expect(await Promise.all(verdicts)).toEqual(["UNKNOWN", "EXHAUSTED", "SPENT", "INACTIVE", "SPENT"]);
    }
  });

  test("makes a token good for no longer than it has stepped back", async () => {
    const { secret } = await root.create({ ...owner(), kind: "service", ...lasting(MINUTE) });
    time += 7 * MINUTE;
    expect(await judge(root, secret)).toBe("EXPIRED");
    time -= 5 * MINUTE;
    expect(await judge(root, secret)).toBe("EXPIRED");
  });

  test("drops for good what it has dropped", async () => {
    const { secret } = await root.create({ ...owner(), kind: "brief" });
    time += 2 * MINUTE;
    expect(await judge(root, secret)).toBe("UNKNOWN");
    await root.create({ ...owner(), kind: "service" });
    time -= 2 * MINUTE;
    expect(await judge(root, secret)).toBe("UNKNOWN");
  });

  test("lets nobody have more than the cap, or a label twice, at any time", async () => {
    const wish = { ...owner(), label: "the label", ...lasting(MINUTE) };
    await root.create({ ...wish, kind: "few" });
    await root.create({ ...wish, kind: "few" });
    await root.create({ ...wish, kind: "named" });
    for (const step of [30_000, -5 * MINUTE, 5 * MINUTE]) {
      time += step;
      expect(await refusalOf(root.create({ ...wish, kind: "few" }))).toBe("ResourceExhausted CAP_REACHED");
      expect(await refusalOf(root.create({ ...wish, kind: "named" }))).toBe("AlreadyExists LABEL_TAKEN");
    }
    time += MINUTE;
    expect(await outcomeOf(root.create({ ...wish, kind: "few" }))).toBe("ok");
    expect(await outcomeOf(root.create({ ...wish, kind: "named" }))).toBe("ok");
  });

  test("answers a repeated request the same token", async () => {
    const wish = { ...owner(), kind: "service", requestId: randomUUID() };
    const { secret } = await root.create(wish);
    for (const step of [HOUR, -2 * HOUR, HOUR]) {
      time += step;
      expect((await root.create(wish)).secret).toBe(secret);
    }
  });
});
