import { beforeAll, describe, expect, test } from "vitest";
import { onEachStore, refusalOf } from "./world.ts";

const PERMISSIONS = ["latchkey:self", "latchkey:admin"];

onEachStore((world) => {
  let foreign: { id: string; secret: string; tenant: string };
  let absent: { id: string; secret: string };

  beforeAll(async () => {
    foreign = await world.issue({ tenant: world.name("theirs"), subject: "ada" });
    absent = await world.issue({ tenant: foreign.tenant, subject: "ada" });
    await world.connect().delete({ token: { case: "id", value: absent.id } });
  });

  const newCaller = (scope: string) => world.issue({ tenant: world.name("ours"), subject: "ada", scopes: [scope] });

  describe.each(PERMISSIONS)("to a caller with %s of another tenant", (scope) => {
    test.each([
      ["Get", "id", {}],
      ["Get", "secret", {}],
      ["Update", "id", { label: "mine", updateMask: "label" }],
      ["Update", "id", { scopes: [], updateMask: "scopes" }],
      ["SetActive", "id", { active: false }],
      ["SetActive", "secret", { active: false }],
      ["Delete", "id", {}],
      ["Delete", "secret", {}],
    ] as const)("%s by %s answers for a foreign token what it answers for none", async (method, handle, fields) => {
      const caller = await newCaller(scope);
      const headers = { authorization: `Bearer ${caller.secret}` };
      const [theirs, none] = await Promise.all(
        [foreign, absent].map((token) =>
          world.post(method, JSON.stringify({ ...fields, [handle]: token[handle] }), headers),
        ),
      );
      expect(theirs).toEqual(none);
      expect(theirs).toMatchObject({ status: 404, text: expect.stringContaining("TOKEN_NOT_FOUND") });
    });

    test("filters by a foreign parent, and exceptions of foreign ids, tell nothing and touch nothing", async () => {
      const caller = await newCaller(scope);
      const list = (id: string) =>
        world.post("List", JSON.stringify({ parentId: id }), { authorization: `Bearer ${caller.secret}` });
      expect(await list(foreign.id)).toEqual(await list(absent.id));
      expect(JSON.parse((await list(foreign.id)).text).tokens ?? []).toEqual([]);

      const { deletedCount } = await world.connect(caller.secret).deleteAll({ exceptIds: [foreign.id, caller.id] });
      expect(deletedCount).toBe(0n);
      expect(await world.judge(foreign.secret)).toBe("ACTIVE");
    });

    test("naming the tenant is refused, whether it exists or not", async () => {
      const caller = world.connect((await newCaller(scope)).secret);
      for (const tenant of [foreign.tenant, "nobody"]) {
        const refused = "PermissionDenied OWNER_BEYOND_CALLER";
        expect(await refusalOf(caller.list({ tenant }))).toBe(refused);
        expect(await refusalOf(caller.deleteAll({ tenant }))).toBe(refused);
        expect(await refusalOf(caller.create({ tenant, kind: "personal" }))).toBe(refused);
      }
      expect(await world.judge(foreign.secret)).toBe("ACTIVE");
    });

    test("a page token of the foreign tenant opens nothing", async () => {
      const theirs = await world.issue({ tenant: foreign.tenant, subject: "ada", scopes: [scope] });
      const { nextPageToken } = await world.connect(theirs.secret).list({ pageSize: 1 });
      const other = world.connect((await newCaller(scope)).secret);
      await world.connect().delete({ token: { case: "id", value: theirs.id } });
      expect(nextPageToken).not.toBe("");
      const asked = other.list({ pageSize: 1, pageToken: nextPageToken });
      expect(await refusalOf(asked)).toBe("InvalidArgument PAGE_TOKEN_INVALID");
    });
  });

  test.each(["latchkey:introspect", "latchkey:admin"])(
    "to %s of another tenant a foreign secret is unknown",
    async (scope) => {
      const caller = await newCaller(scope);
      const ask = (secret: string) =>
        world.post("Introspect", JSON.stringify({ secret }), { authorization: `Bearer ${caller.secret}` });
      expect(await ask(foreign.secret)).toEqual(await ask(absent.secret));
      expect(await world.judge(foreign.secret, {}, caller.secret)).toBe("UNKNOWN");
    },
  );

  test("a foreign introspection takes no use of a one-time token", async () => {
    const link = await world.issue({ tenant: foreign.tenant, subject: "ada", kind: "link" });
    const caller = await newCaller("latchkey:introspect");
    expect(await world.judge(link.secret, {}, caller.secret)).toBe("UNKNOWN");
    expect(await world.judge(link.secret)).toBe("ACTIVE");
  });

  test("another subject's token of the same tenant answers what none does", async () => {
    const caller = await world.issue({ tenant: foreign.tenant, subject: "eve", scopes: ["latchkey:self"] });
    const headers = { authorization: `Bearer ${caller.secret}` };
    for (const method of ["Get", "SetActive", "Delete"]) {
      const answers = [foreign, absent].map(({ id }) => world.post(method, JSON.stringify({ id }), headers));
      const [theirs, none] = await Promise.all(answers);
      expect(theirs).toEqual(none);
      expect(theirs?.text).toContain("TOKEN_NOT_FOUND");
    }
  });
});
