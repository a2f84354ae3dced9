import { beforeAll, describe, expect, test } from "vitest";
import { onEachStore, refusalOf } from "./world.ts";

// What a weak caller has, and a token of the same subject that may do more.
const PAIRS = [
  ["without any scope of a service", ["latchkey:self"], ["repo:read"]],
  ["with one scope", ["latchkey:self", "repo:read"], ["repo:read", "repo:write"]],
  ["with a scope that looks alike", ["latchkey:self", "repo:*"], ["repo:read"]],
  ["without introspection", ["latchkey:self"], ["latchkey:introspect"]],
  ["that is no administrator", ["latchkey:self", "repo:read"], ["latchkey:admin"]],
  ["that administers, but is not the root", ["latchkey:admin"], ["latchkey:root"]],
] as const;

onEachStore((world) => {
  describe.each(PAIRS)("a caller %s", (_what, weakScopes, strongScopes) => {
    let weak: { id: string; secret: string };
    let strong: { id: string; secret: string; tenant: string };

    beforeAll(async () => {
      const owner = { tenant: world.name("tenant"), subject: "ada", label: "strong" };
      strong = await world.issue({ ...owner, scopes: [...strongScopes] });
      weak = await world.issue({ ...owner, label: "weak", scopes: [...weakScopes] });
    });

    test("does not list the stronger token", async () => {
      const caller = world.connect(weak.secret);
      const labels = async (filter: object) => (await caller.list(filter)).tokens.map((token) => token.label);
      expect(await labels({})).toEqual(["weak"]);
      expect(await labels({ subject: "ada" })).toEqual(["weak"]);
      expect(await labels({ label: "strong" })).toEqual([]);
    });

    test("does not reach it, not even with its secret", async () => {
      const caller = world.connect(weak.secret);
      const handles = [
        { case: "id", value: strong.id },
        { case: "secret", value: strong.secret },
      ] as const;
      for (const token of handles) {
        expect(await refusalOf(caller.get({ token }))).toBe("NotFound TOKEN_NOT_FOUND");
        expect(await refusalOf(caller.setActive({ token, active: false }))).toBe("NotFound TOKEN_NOT_FOUND");
        expect(await refusalOf(caller.setActive({ token, active: true }))).toBe("NotFound TOKEN_NOT_FOUND");
        expect(await refusalOf(caller.delete({ token }))).toBe("NotFound TOKEN_NOT_FOUND");
      }
      for (const paths of [["label"], ["scopes"], ["label", "scopes"]]) {
        const change = caller.update({
          token: { case: "id", value: strong.id },
          label: "x",
          scopes: [],
          updateMask: { paths },
        });
        expect(await refusalOf(change)).toBe("NotFound TOKEN_NOT_FOUND");
      }
    });

    test("does not sweep it away with its own tokens", async () => {
      const { deletedCount } = await world.connect(weak.secret).deleteAll({ exceptIds: [weak.id] });
      expect(deletedCount).toBe(0n);
      expect(await world.connect().introspect({ secret: strong.secret })).toMatchObject({
        active: true,
        token: { label: "strong", scopes: [...strongScopes].sort(), etag: "1" },
      });
    });

    test("does not switch on the stronger token that somebody else switched off", async () => {
      const token = { case: "id", value: strong.id } as const;
      await world.connect().setActive({ token, active: false });
      expect(await refusalOf(world.connect(weak.secret).setActive({ token, active: true }))).toBe(
        "NotFound TOKEN_NOT_FOUND",
      );
      expect(await world.judge(strong.secret)).toBe("INACTIVE");
    });
  });

  test.each(["List", "Get", "Create", "Update", "SetActive", "Delete", "DeleteAll"])(
    "who may only introspect may not call %s",
    async (method) => {
      const { secret } = await world.issue({ subject: "orders", scopes: ["latchkey:introspect"] });
      const answer = await world.post(method, "{}", { authorization: `Bearer ${secret}` });
      expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('"reason":"PERMISSION_DENIED"') });
    },
  );

  test.each(["Introspect", "BatchIntrospect"])("who may only manage its own tokens may not call %s", async (method) => {
    const { secret } = await world.issue({ subject: "ada", scopes: ["latchkey:self"] });
    const answer = await world.post(method, "{}", { authorization: `Bearer ${secret}` });
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('"reason":"PERMISSION_DENIED"') });
  });

  test.each([[[]], [["repo:read"]], [["latchkey"]], [["latchkey-self"]], [["LATCHKEY:SELF"]]])(
    "a token with the scopes %j calls nothing",
    async (scopes) => {
      const { secret } = await world.issue({ subject: "ada", scopes });
      for (const method of ["List", "Introspect"]) {
        const answer = await world.post(method, "{}", { authorization: `Bearer ${secret}` });
        expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('"reason":"PERMISSION_DENIED"') });
      }
    },
  );
});
