import { describe, expect, test } from "vitest";
import { InactiveReason } from "#gen/latchkey/v1/token_service_pb.ts";
import { onEachStore, refusalOf } from "./world.ts";

onEachStore((world) => {
  const owner = () => ({ tenant: world.name("tenant"), subject: "ada" });

  describe.each([
    ["an opaque secret", "service"],
    ["a JWT, with a signature that is still good", "access"],
  ])("%s", (_, kind) => {
    test.each([
      ["deleted by id", (id: string) => world.connect().delete({ token: { case: "id", value: id } }), "UNKNOWN"],
      [
        "deleted by its secret",
        (_: string, value: string) => world.connect().delete({ token: { case: "secret", value } }),
        "UNKNOWN",
      ],
      [
        "deleted with all of its subject",
        (_id: string, _secret: string, tenant: string) => world.connect().deleteAll({ tenant, subject: "ada" }),
        "UNKNOWN",
      ],
      [
        "deleted with all of its tenant",
        (_id: string, _secret: string, tenant: string) => world.connect().deleteAll({ tenant, allSubjects: true }),
        "UNKNOWN",
      ],
      [
        "switched off",
        (id: string) => world.connect().setActive({ token: { case: "id", value: id }, active: false }),
        "INACTIVE",
      ],
      ["given another secret", (id: string) => world.connect().rotate({ token: { case: "id", value: id } }), "SPENT"],
    ] as const)("is worth nothing once its token is %s", async (_how, end, reason) => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind, scopes: ["latchkey:self"] });
      await world.connect(secret).list({});
      expect(await world.judge(secret)).toBe("ACTIVE");

      await end(id, secret, tenant);

      expect(await world.judge(secret)).toBe(reason);
      const batch = await world.connect().batchIntrospect({ requests: [{ secret }, { secret, peek: true }] });
      expect(batch.responses.map((answer) => [answer.active, answer.reason])).toEqual([
        [false, InactiveReason[reason]],
        [false, InactiveReason[reason]],
      ]);
      expect(await refusalOf(world.connect(secret).list({}))).toBe("Unauthenticated CREDENTIALS_INVALID");
    });

    test("of a token made inactive is worth nothing until it is switched on", async () => {
      const { id, secret } = await world.issue({ ...owner(), kind, scopes: ["latchkey:self"], inactive: true });
      expect(await world.judge(secret)).toBe("INACTIVE");
      expect(await refusalOf(world.connect(secret).list({}))).toBe("Unauthenticated CREDENTIALS_INVALID");

      await world.connect().setActive({ token: { case: "id", value: id }, active: true });

      expect(await world.judge(secret)).toBe("ACTIVE");
      await world.connect(secret).list({});
    });

    test("is worth nothing once its token is expired", async () => {
      const { secret } = await world.issue({
        ...owner(),
        kind,
        scopes: ["latchkey:self"],
        lifetime: { case: "ttl", value: { nanos: 50_000_000 } },
      });
      await expect.poll(() => world.judge(secret)).toBe("EXPIRED");
      expect(await refusalOf(world.connect(secret).list({}))).toBe("Unauthenticated CREDENTIALS_INVALID");
    });
  });

  test("an exhausted token stays exhausted, whatever the case and the white space around its secret", async () => {
    const { secret } = await world.issue({ ...owner(), kind: "link" });
    expect(await world.judge(secret)).toBe("ACTIVE");
    expect(await world.judge(secret)).toBe("EXHAUSTED");
    const variants = [
      ` ${secret}`,
      `${secret}\n`,
      `${secret}=`,
      secret.toUpperCase(),
      secret.toLowerCase(),
      `${secret}\0`,
    ];
    for (const variant of variants) {
      expect(await world.judge(variant)).toBe("MALFORMED");
    }
  });

  test("a JWT is worth nothing once the token that it was exchanged from is gone", async () => {
    const parent = await world.issue({ ...owner(), kind: "refresh", scopes: ["latchkey:self"] });
    const { secret } = await world.connect().exchange({ secret: parent.secret });
    await world.connect(secret).list({});
    expect(await world.judge(secret)).toBe("ACTIVE");

    await world.connect().delete({ token: { case: "id", value: parent.id } });

    expect(await world.judge(secret)).toBe("UNKNOWN");
    expect(await refusalOf(world.connect(secret).list({}))).toBe("Unauthenticated CREDENTIALS_INVALID");
  });

  test("a JWT that was replaced within its grace ends with it, and what replaced it goes on", async () => {
    const { id, secret } = await world.issue({ ...owner(), kind: "access" });
    const rotated = await world.connect().rotate({ token: { case: "id", value: id }, grace: { seconds: 1n } });
    expect(await world.judge(secret)).toBe("ACTIVE");
    await expect.poll(() => world.judge(secret), { timeout: 5000 }).toBe("SPENT");
    expect(await world.judge(rotated.secret)).toBe("ACTIVE");
  });

  test("a JWT whose uses are used up stays so, in whatever spelling", async () => {
    const { secret } = await world.issue({ ...owner(), kind: "access", maxUses: 1 });
    expect(await world.judge(secret)).toBe("ACTIVE");
    for (const text of [secret, secret]) expect(await world.judge(text)).toBe("EXHAUSTED");
    for (const text of [` ${secret}`, `${secret}\n`, `${secret}=`]) expect(await world.judge(text)).toBe("MALFORMED");
    // The last character of a signature has bits that mean nothing.
    const twin = secret.slice(0, -1) + String.fromCharCode(secret.charCodeAt(secret.length - 1) + 1);
    expect(await world.judge(twin)).toBe("SIGNATURE");
  });
});
