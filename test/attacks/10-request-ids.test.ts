import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { findSecrets, type Place, type Secret } from "../canary/search.ts";
import { useKinds } from "../support/kinds.ts";
import { connectPlayers } from "../support/players.ts";
import { byId } from "../support/service.ts";
import { onEachStore, refusalOf, type Wish, type World } from "./world.ts";

const REPEATS = 50;
const REUSED = "AlreadyExists REQUEST_ID_REUSED";
const GONE = "NotFound TOKEN_NOT_FOUND";

onEachStore((world) => {
  const owner = () => ({ tenant: world.name("tenant"), subject: "ada" });
  const idsOf = async (tenant: string) => {
    const { tokens } = await world.connect().list({ tenant });
    return tokens.map((token) => token.id).toSorted();
  };

  describe(`${REPEATS} callers at once with the same request make it once, and all get the same secret:`, () => {
    /** All at once, from several connections. */
    async function repeat<T>(call: (root: ReturnType<World["connect"]>) => Promise<T>): Promise<T[]> {
      const players = connectPlayers([world.service.url], 5);
      const answers = await Promise.all(
        Array.from({ length: REPEATS }, (_, index) => call((players[index % 5] as (typeof players)[0]).root)),
      );
      for (const player of players) player.close();
      return answers;
    }

    test.each(["named", "few", "ticket"])("Create of a token of kind %s", async (kind) => {
      const wish = { ...owner(), kind, label: "the label", requestId: randomUUID() };
      const answers = await repeat((root) => root.create(wish));
      expect(new Set(answers.map(({ secret }) => secret)).size).toBe(1);
      expect(await idsOf(wish.tenant)).toEqual([answers[0]?.token?.id]);
      expect(await world.judge(answers[0]?.secret as string)).toBe("ACTIVE");
    });

    test("Rotate", async () => {
      const { id } = await world.issue(owner());
      const wish = { token: byId(id), requestId: randomUUID() };
      const answers = await repeat((root) => root.rotate(wish));
      expect(new Set(answers.map(({ secret }) => secret)).size).toBe(1);
      expect(answers.map(({ token }) => token?.etag)).toEqual(answers.map(() => "2"));
      expect(await world.judge(answers[0]?.secret as string)).toBe("ACTIVE");
    });

    test.each(["link", "refresh", "rotating", "strict"])("Exchange of a token of kind %s", async (kind) => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind });
      const requestId = randomUUID();
      const answers = await repeat((root) => root.exchange({ secret, requestId }));
      expect(new Set(answers.map((answer) => answer.secret)).size).toBe(1);
      expect(new Set(answers.map((answer) => answer.parentSecret)).size).toBe(1);
      expect(await idsOf(tenant)).toEqual([id, answers[0]?.token?.id].toSorted());
      expect(await world.judge(answers[0]?.secret as string)).toBe("ACTIVE");
    });
  });

  describe("the same id with another body is refused, and makes and changes nothing:", () => {
    const ttl = (seconds: bigint): Partial<Wish> => ({ lifetime: { case: "ttl", value: { seconds } } });
    const until: Partial<Wish> = { lifetime: { case: "expireTime", value: timestampFromMs(Date.now() + 3_600_000) } };
    const OTHER: [field: string, first: Partial<Wish>, second: Partial<Wish>][] = [
      ["tenant", {}, { tenant: "elsewhere" }],
      ["subject", {}, { subject: "bob" }],
      ["kind", {}, { kind: "service" }],
      ["label", {}, { label: "another" }],
      ["label, which it lacks", {}, { label: "" }],
      ["ttl", ttl(60n), ttl(61n)],
      ["life, where there was none", {}, ttl(60n)],
      ["life, where there is none", ttl(60n), {}],
      ["expire_time", ttl(3600n), until],
      ["life", ttl(60n), { lifetime: { case: "life", value: "1 minute" } }],
      ["permanent", {}, { lifetime: { case: "permanent", value: true } }],
      ["scopes", { scopes: ["a"] }, { scopes: ["a", "b"] }],
      ["scopes, which read the same in a row", { scopes: ["a", "b"] }, { scopes: ["a,b"] }],
      ["audiences", {}, { audiences: ["api"] }],
      ["claims", { claims: { a: 1 } }, { claims: { a: "1" } }],
      ["claims, which are empty", {}, { claims: {} }],
      ["client_id", {}, { clientId: "app" }],
      ["inactive", {}, { inactive: true }],
      ["max_uses", { maxUses: 1 }, { maxUses: 2 }],
      ["uses, where there was no bound", {}, { maxUses: 1 }],
    ];

    test.each(OTHER)("Create that differs in its %s", async (_, first, second) => {
      const wish = { ...owner(), kind: "personal", label: "the label", requestId: randomUUID() };
      const { token, secret } = await world.connect().create({ ...wish, ...first });
      expect(await refusalOf(world.connect().create({ ...wish, ...second }))).toBe(REUSED);
      expect(await idsOf(wish.tenant)).toEqual([token?.id]);
      expect(await idsOf("elsewhere")).toEqual([]);
      expect(await world.connect().create({ ...wish, ...first })).toMatchObject({ secret });
    });

    test("Rotate with another token, handle, grace or beginning", async () => {
      const { id, secret, tenant, subject } = await world.issue(owner());
      const other = await world.issue({ tenant, subject });
      const requestId = randomUUID();
      const first = await world.connect().rotate({ token: byId(id), requestId });
      for (const wish of [
        { token: byId(other.id) },
        { token: { case: "secret", value: secret } as const },
        { token: byId(id), grace: { seconds: 1n } },
        { token: byId(id), activateOnFirstUse: true },
      ]) {
        expect.soft(await refusalOf(world.connect().rotate({ ...wish, requestId }))).toBe(REUSED);
      }
      expect(await world.judge(other.secret)).toBe("ACTIVE");
      expect(await world.connect().rotate({ token: byId(id), requestId })).toMatchObject({ secret: first.secret });
    });

    test("Exchange with another kind, scope, audience, life or client", async () => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind: "refresh", scopes: ["a", "b"] });
      const requestId = randomUUID();
      const first = await world.connect().exchange({ secret, requestId });
      for (const wish of [
        { kind: "access" },
        { scopes: ["a"] },
        { audiences: ["api"] },
        { lifetime: { case: "ttl", value: { seconds: 60n } } as const },
        { clientId: "app" },
      ]) {
        expect.soft(await refusalOf(world.connect().exchange({ ...wish, secret, requestId }))).toBe(REUSED);
      }
      expect(await idsOf(tenant)).toEqual([id, first.token?.id].toSorted());
    });

    test("Exchange with another secret of the token", async () => {
      const { id, secret } = await world.issue({ ...owner(), kind: "refresh" });
      const requestId = randomUUID();
      const first = await world.connect().exchange({ secret, requestId });
      const { secret: next } = await world.connect().rotate({ token: byId(id) });
      expect(await refusalOf(world.connect().exchange({ secret: next, requestId }))).toBe(REUSED);
      const repeated = await world.connect().exchange({ secret, requestId });
      expect(repeated.secret).toBe(first.secret);
    });
  });

  describe("the same id is another request", () => {
    test("of another caller: of the root, of an administrator, of users, of other tenants", async () => {
      const [tenant, elsewhere] = [world.name("tenant"), world.name("tenant")];
      const caller = (name: string, subject: string, permission: string) =>
        world.issue({ tenant: name, subject, scopes: [`latchkey:${permission}`] });
      const callers = [
        await caller(tenant, "ada", "self"),
        await caller(tenant, "bob", "self"),
        await caller(tenant, "admin", "admin"),
        await caller(elsewhere, "ada", "self"),
        await caller(elsewhere, "admin", "admin"),
      ];
      const wish = { kind: "personal", requestId: randomUUID() };
      const made = [await world.connect().create({ ...wish, tenant, subject: "ada" })];
      for (const { secret } of callers) made.push(await world.connect(secret).create(wish));
      expect(new Set(made.map(({ token }) => token?.id)).size).toBe(6);
      expect(new Set(made.map(({ secret }) => secret)).size).toBe(6);
      expect(made.slice(1).map(({ token }) => [token?.tenant, token?.subject])).toEqual(
        callers.map((token) => [token.tenant, token.subject]),
      );
    });

    test("with another method, and with another token to exchange", async () => {
      const requestId = randomUUID();
      const { tenant, subject } = owner();
      const created = await world.connect().create({ tenant, subject, kind: "refresh", requestId });
      const other = await world.issue({ tenant, subject, kind: "refresh" });
      const rotated = await world.connect().rotate({ token: byId(created.token?.id as string), requestId });
      const exchanged = await world.connect().exchange({ secret: rotated.secret, requestId });
      const second = await world.connect().exchange({ secret: other.secret, requestId });
      expect(exchanged.token?.parentId).toBe(created.token?.id);
      expect(second.token?.parentId).toBe(other.id);
    });
  });

  test("an id means the same in capital letters", async () => {
    const wish = { ...owner(), kind: "service" };
    const requestId = randomUUID();
    const { secret } = await world.connect().create({ ...wish, requestId });
    expect((await world.connect().create({ ...wish, requestId: requestId.toUpperCase() })).secret).toBe(secret);
  });

  test("a weaker token of the same user gets nothing by repeating what a stronger one has asked for", async () => {
    const { tenant, subject } = owner();
    const strong = await world.issue({ tenant, subject, scopes: ["latchkey:self", "pay"] });
    const weak = await world.issue({ tenant, subject, scopes: ["latchkey:self"] });
    const create = { kind: "personal", scopes: ["pay"], requestId: randomUUID() };
    const { token } = await world.connect(strong.secret).create(create);
    expect(await refusalOf(world.connect(weak.secret).create(create))).toBe(GONE);
    const rotate = { token: byId(token?.id as string), requestId: randomUUID() };
    await world.connect(strong.secret).rotate(rotate);
    expect(await refusalOf(world.connect(weak.secret).rotate(rotate))).toBe(GONE);
  });

  test("nor does one that could not have made such a token, for where or how long that is good", async () => {
    const wish = { ...owner(), scopes: ["latchkey:self"] };
    const strong = await world.issue({ ...wish, kind: "session" });
    const bound = await world.issue({ ...wish, kind: "personal", audiences: ["latchkey"] });
    const short = await world.issue({
      ...wish,
      kind: "personal",
      lifetime: { case: "ttl", value: { seconds: 60n } },
    });
    const lifetime = { case: "permanent", value: true } as const;
    const create = { kind: "personal", lifetime, requestId: randomUUID() };
    const { secret } = await world.connect(strong.secret).create(create);
    expect(await refusalOf(world.connect(bound.secret).create(create))).toBe("PermissionDenied AUDIENCE_BEYOND_CALLER");
    expect(await refusalOf(world.connect(short.secret).create(create))).toBe("PermissionDenied LIFETIME_BEYOND_CALLER");
    expect((await world.connect(strong.secret).create(create)).secret).toBe(secret);
  });

  describe("after a deletion, a repeat is not found, and revives nothing:", () => {
    test("Create", async () => {
      const wish = { ...owner(), kind: "named", label: "the label", requestId: randomUUID() };
      const { token, secret } = await world.connect().create(wish);
      await world.connect().delete({ token: byId(token?.id as string) });
      for (let round = 0; round < 3; round++) {
        expect(await refusalOf(world.connect().create(wish))).toBe(GONE);
      }
      expect(await idsOf(wish.tenant)).toEqual([]);
      expect(await world.judge(secret)).toBe("UNKNOWN");
    });

    test("Rotate", async () => {
      const { id, tenant } = await world.issue(owner());
      const wish = { token: byId(id), requestId: randomUUID() };
      const { secret } = await world.connect().rotate(wish);
      await world.connect().deleteAll({ tenant, subject: "ada" });
      expect(await refusalOf(world.connect().rotate(wish))).toBe(GONE);
      expect(await world.judge(secret)).toBe("UNKNOWN");
    });

    test.each(["link", "refresh", "rotating", "strict"])(
      "Exchange of a %s token, with the child deleted",
      async (kind) => {
        const { id, tenant, secret } = await world.issue({ ...owner(), kind });
        const wish = { secret, requestId: randomUUID() };
        const child = await world.connect().exchange(wish);
        await world.connect().delete({ token: byId(child.token?.id as string) });
        expect(await refusalOf(world.connect().exchange(wish))).toBe(GONE);
        expect(await idsOf(tenant)).toEqual([id]);
        expect(await world.judge(child.secret)).toBe("UNKNOWN");
      },
    );

    test("Exchange, with the parent deleted", async () => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind: "refresh" });
      const wish = { secret, requestId: randomUUID() };
      const child = await world.connect().exchange(wish);
      await world.connect().delete({ token: byId(id) });
      expect(await refusalOf(world.connect().exchange(wish))).toBe(GONE);
      expect(await idsOf(tenant)).toEqual([]);
      expect(await world.judge(child.secret)).toBe("UNKNOWN");
    });
  });

  test("a repeat after the next Rotate answers the secret of its own, which is spent", async () => {
    const { id } = await world.issue(owner());
    const wish = { token: byId(id), requestId: randomUUID() };
    const first = await world.connect().rotate(wish);
    const second = await world.connect().rotate({ token: byId(id) });
    expect((await world.connect().rotate(wish)).secret).toBe(first.secret);
    expect(await world.judge(first.secret)).toBe("SPENT");
    expect(await world.judge(second.secret)).toBe("ACTIVE");
  });

  test("a repeat answers a token as it is by now, and switches nothing on", async () => {
    const wish = { ...owner(), kind: "link", requestId: randomUUID() };
    const { token, secret } = await world.connect().create(wish);
    await world.connect().setActive({ token: byId(token?.id as string), active: false });
    expect((await world.connect().create(wish)).token?.active).toBe(false);
    expect(await world.judge(secret)).toBe("INACTIVE");
    await world.connect().setActive({ token: byId(token?.id as string), active: true });
    expect(await world.judge(secret)).toBe("ACTIVE");
    expect((await world.connect().create(wish)).token?.usesLeft).toBe(0);
    expect(await world.judge(secret)).toBe("EXHAUSTED");
  });

  test("what is kept for repeats holds neither a secret nor a request id", async () => {
    const { tenant, subject } = owner();
    const secrets: Secret[] = [];
    const note = (name: string, secret: string, requestId: string) => {
      const middle = secret.slice(secret.length - 44, -6);
      secrets.push({ name, text: secret }, { name: `the end of ${name}`, text: middle });
      secrets.push({ name: `the request id of ${name}`, text: requestId });
    };
    const ids = () => ({ requestId: randomUUID() });
    for (const kind of ["service", "ticket", "link", "refresh", "rotating"]) {
      const wish = { tenant, subject, kind, ...ids() };
      const created = await world.connect().create(wish);
      note(`a created ${kind}`, created.secret, wish.requestId);
      const rotate = { token: byId(created.token?.id as string), ...ids() };
      const rotated = await world.connect().rotate(rotate);
      note(`a rotated ${kind}`, rotated.secret, rotate.requestId);
      if (kind === "service") continue;
      const exchange = { secret: rotated.secret, ...ids() };
      const exchanged = await world.connect().exchange(exchange);
      note(`a ${kind}'s child`, exchanged.secret, exchange.requestId);
      if (exchanged.parentSecret) note(`an exchanged ${kind}`, exchanged.parentSecret, exchange.requestId);
    }
    const places = await readData(world);
    expect(secrets.length).toBeGreaterThan(40);
    expect(places.some(({ content }) => Buffer.from(content).includes("keyVersion"))).toBe(true);
    expect(findSecrets(secrets, places)).toEqual([]);
  });
}, useKinds());

/** All bytes of the store. */
async function readData({ service, redis }: World): Promise<Place[]> {
  if (!redis) {
    const names = readdirSync(service.folder).filter((name) => name.startsWith("latchkey.db"));
    return names.map((name) => ({ name, content: readFileSync(join(service.folder, name)) }));
  }
  // Else DUMP may compress.
  await redis.admin.config("SET", "rdbcompression", "no");
  const names = await redis.admin.keys("*");
  const dumped = names.map(async (name) => ({ name, content: await redis.admin.dumpBuffer(name) }));
  return [{ name: "the names of the keys", content: names.join("\n") }, ...(await Promise.all(dumped))];
}
