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

  describe("a token can't have another one's secret made anew", () => {
    const scopes = ["latchkey:self"];
    const permanent = { case: "permanent", value: true } as const;

    test.each([
      ["of a kind that it can't make", { kind: "session" }, "PermissionDenied KIND_NOT_ALLOWED"],
      ["of a link, which is worth a session", { kind: "link" }, "PermissionDenied KIND_NOT_ALLOWED"],
      ["that outlives it", { lifetime: permanent, audiences: ["latchkey"] }, "PermissionDenied LIFETIME_BEYOND_CALLER"],
      ["that is good where it is not", {}, "PermissionDenied AUDIENCE_BEYOND_CALLER"],
    ] satisfies [string, Partial<Wish>, string][])("%s", async (_what, wish, refusal) => {
      const other = await world.issue({ tenant, subject: "ada", kind: "personal", scopes, ...wish });
      const own = { tenant, subject: "ada", kind: "personal", scopes, audiences: ["latchkey"] };
      const caller = world.connect((await world.issue(own)).secret);
      expect(await refusalOf(caller.rotate({ token: { case: "id", value: other.id } }))).toBe(refusal);
      expect(await world.judge(other.secret, { audience: "latchkey", peek: true })).toBe("ACTIVE");
      const { secret } = await caller.rotate({ token: { case: "secret", value: other.secret } });
      expect(await world.judge(secret, { audience: "latchkey", peek: true })).toBe("ACTIVE");
    });

    test("though its own, whatever its kind", async () => {
      const { id, secret } = await world.issue({ tenant, subject: "ada", kind: "session", scopes });
      const rotated = await world.connect(secret).rotate({ token: { case: "id", value: id } });
      expect(await world.judge(rotated.secret)).toBe("ACTIVE");
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
