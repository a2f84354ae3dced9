import { beforeEach, describe, expect, test } from "vitest";
import { onEachStore, refusalOf, type Wish } from "./world.ts";

onEachStore((world) => {
  let tenant: string;
  beforeEach(() => {
    tenant = world.name("tenant");
  });

  const connectWith = async (...scopes: string[]) =>
    world.connect((await world.issue({ tenant, subject: "ada", kind: "session", scopes })).secret);
  const expectNothingMade = async (wish: Partial<Wish>) => {
    const { tokens } = await world.connect().list({ tenant: wish.tenant || tenant });
    expect(tokens.filter((token) => token.creator !== "root")).toEqual([]);
  };

  const OF_A_USER: [string, Partial<Wish>, string][] = [
    ["a scope that it lacks", { scopes: ["repo:write"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["a scope beside its own", { scopes: ["repo:read", "repo:write"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["a scope that begins like its own", { scopes: ["repo:read:all"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["a wildcard over its own", { scopes: ["repo:*"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["introspection", { scopes: ["latchkey:introspect"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["administration", { scopes: ["latchkey:admin"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["the root's power", { scopes: ["latchkey:root"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["a reserved scope without a meaning", { scopes: ["latchkey:any"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["a kind of the administrators", { kind: "session" }, "PermissionDenied KIND_NOT_ALLOWED"],
    ["a kind for services", { kind: "service" }, "PermissionDenied KIND_NOT_ALLOWED"],
    ["a kind that there is not", { kind: "root" }, "InvalidArgument KIND_UNKNOWN"],
    ["a kind of JavaScript's own", { kind: "constructor" }, "InvalidArgument KIND_UNKNOWN"],
    ["claims that services may decide by", { claims: { role: "admin" } }, "PermissionDenied FIELD_NOT_ALLOWED"],
    ["a token of a client", { clientId: "mobile" }, "PermissionDenied FIELD_NOT_ALLOWED"],
    ["a token for somebody else", { subject: "bob" }, "PermissionDenied OWNER_BEYOND_CALLER"],
    ["a token for the root", { subject: "root" }, "PermissionDenied OWNER_BEYOND_CALLER"],
    ["a token in another tenant", { tenant: "default" }, "PermissionDenied OWNER_BEYOND_CALLER"],
  ];

  test.each(OF_A_USER)("a user can't make itself %s", async (_what, wish, refusal) => {
    const ada = await connectWith("latchkey:self", "repo:read");
    expect(await refusalOf(ada.create({ kind: "personal", ...wish }))).toBe(refusal);
    await expectNothingMade({ tenant });
  });

  test("a personal token can't make one that outlives it, or that is good where it is not", async () => {
    const wish = {
      tenant,
      subject: "ada",
      kind: "personal",
      scopes: ["latchkey:self"],
      audiences: ["latchkey", "orders"],
    };
    const { secret, expireTime } = await world.issue(wish);
    const ada = world.connect(secret);
    const audiences = ["orders"];
    const permanent = { case: "permanent", value: true } as const;
    expect(await refusalOf(ada.create({ kind: "personal", audiences, lifetime: permanent }))).toBe(
      "PermissionDenied LIFETIME_BEYOND_CALLER",
    );
    for (const wider of [[], ["billing"], ["orders", "billing"]]) {
      expect(await refusalOf(ada.create({ kind: "personal", audiences: wider }))).toBe(
        "PermissionDenied AUDIENCE_BEYOND_CALLER",
      );
    }
    const made = await ada.create({ kind: "personal", audiences });
    expect(made.token?.expireTime).toEqual(expireTime);
  });

  test.each([
    ["the root's power", { scopes: ["latchkey:root"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["a reserved scope without a meaning", { scopes: ["latchkey:any"] }, "PermissionDenied SCOPE_BEYOND_CALLER"],
    ["a token in another tenant", { tenant: "default" }, "PermissionDenied OWNER_BEYOND_CALLER"],
  ] as const)("an administrator can't grant %s", async (_what, wish, refusal) => {
    const admin = await connectWith("latchkey:admin");
    expect(
      await refusalOf(admin.create({ kind: "service", ...wish, scopes: [...("scopes" in wish ? wish.scopes : [])] })),
    ).toBe(refusal);
    await expectNothingMade({ tenant });
  });

  test("not even the root grants a reserved scope without a meaning", async () => {
    const made = world.connect().create({ kind: "service", tenant, scopes: ["latchkey:any"] });
    expect(await refusalOf(made)).toBe("PermissionDenied SCOPE_BEYOND_CALLER");
  });

  const OF_A_KIND: [string, Partial<Wish>, string][] = [
    [
      "a session beyond its longest life",
      { kind: "session", lifetime: { case: "ttl", value: { seconds: 31n * 86_400n + 1n } } },
      "InvalidArgument LIFETIME_TOO_LONG",
    ],
    [
      "a permanent session",
      { kind: "session", lifetime: { case: "permanent", value: true } },
      "InvalidArgument PERMANENT_NOT_ALLOWED",
    ],
    [
      "a permanent link",
      { kind: "link", lifetime: { case: "permanent", value: true } },
      "InvalidArgument PERMANENT_NOT_ALLOWED",
    ],
    ["a link for two uses", { kind: "link", maxUses: 2 }, "InvalidArgument USES_INVALID"],
  ];
  test.each(OF_A_KIND)("not even the root makes %s", async (_what, wish, refusal) => {
    expect(await refusalOf(world.connect().create({ kind: "link", tenant, ...wish }))).toBe(refusal);
  });

  describe("a token can't better itself", () => {
    const newToken = () => world.issue({ tenant, subject: "ada", scopes: ["latchkey:self", "repo:read"] });

    test.each([
      [["expire_time"], "PermissionDenied FIELD_NOT_ALLOWED"],
      [["label", "expire_time"], "PermissionDenied FIELD_NOT_ALLOWED"],
      [["claims"], "PermissionDenied FIELD_NOT_ALLOWED"],
      [["scopes"], "InvalidArgument SCOPE_WIDENED"],
      [["kind"], "InvalidArgument INVALID_REQUEST"],
      [["uses_left"], "InvalidArgument INVALID_REQUEST"],
      [["*"], "InvalidArgument INVALID_REQUEST"],
      [["label", "active"], "InvalidArgument INVALID_REQUEST"],
      [[], "InvalidArgument INVALID_REQUEST"],
    ])("by an update of %j", async (paths, refusal) => {
      const { id, secret, expireTime } = await newToken();
      const scopes = ["latchkey:self", "repo:read", "repo:write"];
      const change = world
        .connect(secret)
        .update({ token: { case: "id", value: id }, scopes, claims: { admin: true }, updateMask: { paths } });
      expect(await refusalOf(change)).toBe(refusal);
      const { token } = await world.connect().get({ token: { case: "id", value: id } });
      expect(token).toMatchObject({ scopes: ["latchkey:self", "repo:read"], expireTime, etag: "1" });
      expect(token?.claims).toBeUndefined();
    });

    test("nor switch itself on again", async () => {
      const { id, secret } = await newToken();
      const token = { case: "id", value: id } as const;
      await world.connect(secret).setActive({ token, active: false });
      expect(await refusalOf(world.connect(secret).setActive({ token, active: true }))).toBe(
        "Unauthenticated CREDENTIALS_INVALID",
      );
    });

    test("nor take back the scopes that it gave away", async () => {
      const { id, secret } = await newToken();
      const narrow = (scopes: string[]) =>
        world.connect(secret).update({ token: { case: "id", value: id }, scopes, updateMask: { paths: ["scopes"] } });
      await narrow(["latchkey:self"]);
      expect(await refusalOf(narrow(["latchkey:self", "repo:read"]))).toBe("InvalidArgument SCOPE_WIDENED");
      const made = world.connect(secret).create({ kind: "personal", scopes: ["repo:read"] });
      expect(await refusalOf(made)).toBe("PermissionDenied SCOPE_BEYOND_CALLER");
    });
  });

  test.each([
    ["a one-time link", { kind: "link" }],
    ["a token with two uses", { kind: "personal", maxUses: 2 }],
    ["a root's token with one use", { kind: "service", maxUses: 1, scopes: ["latchkey:root"] }],
    ["a token for another audience", { kind: "service", audiences: ["orders"] }],
  ])("%s neither mints nor calls anything else, and loses no use by the try", async (_what, wish) => {
    const { id, secret, usesLeft } = await world.issue({ tenant, scopes: ["latchkey:admin"], ...wish });
    const caller = world.connect(secret);
    const refused = "Unauthenticated CREDENTIALS_INVALID";
    expect(await refusalOf(caller.create({ kind: "personal" }))).toBe(refused);
    expect(await refusalOf(caller.list({}))).toBe(refused);
    expect(await refusalOf(caller.introspect({ secret }))).toBe(refused);
    expect((await world.connect().get({ token: { case: "id", value: id } })).token?.usesLeft).toBe(usesLeft);
  });

  describe("a token can't take another one into its hands by rotating it", () => {
    const scopes = ["latchkey:self"];
    const owner = () => ({ tenant, subject: "ada", scopes });

    async function expectRefused(caller: string, { id, secret }: { id: string; secret: string }, reason: string) {
      const rotation = world.connect(caller).rotate({ token: { case: "id", value: id } });
      expect(await refusalOf(rotation)).toBe(`PermissionDenied ${reason}`);
      expect(await world.judge(secret, { audience: "orders" })).toBe("ACTIVE");
    }

    test("an access token its own refresh token", async () => {
      const refresh = await world.issue({ ...owner(), kind: "refresh" });
      const { secret } = await world.connect().exchange({ secret: refresh.secret });
      await expectRefused(secret, refresh, "KIND_NOT_ALLOWED");
    });

    test("a session a link that is still good", async () => {
      const { secret } = await world.issue({ ...owner(), kind: "session" });
      await expectRefused(secret, await world.issue({ ...owner(), kind: "link" }), "KIND_NOT_ALLOWED");
    });

    test("a personal token one that lives longer, is good elsewhere, or has what only administrators give", async () => {
      const personal = (wish: Partial<Wish> = {}) => world.issue({ ...owner(), kind: "personal", ...wish });
      const ttl = { case: "ttl", value: { seconds: 3600n } } as const;
      const { secret } = await personal({ lifetime: ttl });
      const bound = await personal({ audiences: ["latchkey"] });
      const permanent = await personal({ lifetime: { case: "permanent", value: true } });
      await expectRefused(secret, permanent, "LIFETIME_BEYOND_CALLER");
      await expectRefused(bound.secret, await personal({ audiences: ["orders"] }), "AUDIENCE_BEYOND_CALLER");
      await expectRefused(permanent.secret, await personal({ claims: { role: "auditor" } }), "FIELD_NOT_ALLOWED");
      await expectRefused(permanent.secret, await personal({ clientId: "mobile" }), "FIELD_NOT_ALLOWED");
    });

    test("nor by the request id with which an administrator has rotated it", async () => {
      const session = await world.issue({ ...owner(), kind: "session" });
      const admin = await world.issue({ ...owner(), kind: "service", scopes: ["latchkey:admin"] });
      const refresh = await world.issue({ ...owner(), kind: "refresh" });
      const rotation = { token: { case: "id", value: refresh.id }, requestId: crypto.randomUUID() } as const;
      const { secret } = await world.connect(admin.secret).rotate(rotation);
      expect(await refusalOf(world.connect(session.secret).rotate(rotation))).toBe("PermissionDenied KIND_NOT_ALLOWED");
      expect(await world.judge(secret)).toBe("ACTIVE");
    });

    test("but whoever holds its secret rotates it by that, and every token itself", async () => {
      const { id, secret } = await world.issue({ ...owner(), kind: "session", claims: { role: "auditor" } });
      const refresh = await world.issue({ ...owner(), kind: "refresh" });
      const caller = world.connect(secret);
      const other = await caller.rotate({ token: { case: "secret", value: refresh.secret } });
      const own = await caller.rotate({ token: { case: "id", value: id } });
      expect([await world.judge(other.secret), await world.judge(own.secret)]).toEqual(["ACTIVE", "ACTIVE"]);
    });
  });

  test("a call that failed has made nothing", async () => {
    const ada = await connectWith("latchkey:self", "repo:read");
    const wishes: Partial<Wish>[] = [
      { scopes: ["repo:write"] },
      { claims: { text: "x".repeat(5000) } },
      { lifetime: { case: "ttl", value: {} } },
      { label: "\n" },
    ];
    for (const wish of wishes) await refusalOf(ada.create({ kind: "personal", ...wish }));
    await expectNothingMade({ tenant });
  });
});
