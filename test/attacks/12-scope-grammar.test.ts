import { describe, expect, test } from "vitest";
import { onSqlite, refusalIn } from "./world.ts";

const ILL_FORMED: [string, unknown][] = [
  ["nothing", [""]],
  ["a space", ["repo:read repo:write"]],
  ["a space before", [" repo:read"]],
  ["a line feed after", ["repo:read\n"]],
  ["a quote", ['repo:"read"']],
  ["a backslash", ["repo\\read"]],
  ["a NUL", ["repo:read\0"]],
  ["a delete character", ["repo:read\x7f"]],
  ["a Cyrillic letter that looks like a Latin one", ["repо:read"]],
  ["full-width letters", ["ｒｅｐｏ:read"]],
  ["a dotless i", ["adm\u0131n"]],
  ["a Kelvin sign", ["\u212Aey"]],
  ["a combining accent", ["re\u0301po"]],
  ["a zero-width space", ["repo\u200b:read"]],
  ["a right-to-left override", ["repo\u202e:read"]],
  ["129 bytes", ["x".repeat(129)]],
  ["a number", [1]],
  ["null", [null]],
  ["a list", [["repo:read"]]],
];

const WELL_FORMED = ["*", "repo:*", "!", "~", "'", "a,b", "{}", "[x]", "a/b?c=d&e#f", "%00", "$(id)", "x".repeat(128)];

onSqlite((world) => {
  describe.each(["Create", "Update", "Introspect"])("%s refuses a scope with", (method) => {
    test.each([...ILL_FORMED, ["64 others", Array.from({ length: 65 }, (_, n) => `scope${n}`)]])(
      "%s",
      async (_what, scopes) => {
        const { id, secret } = await world.issue({ scopes: ["repo:read"] });
        const rest = { Create: { kind: "service" }, Update: { id, updateMask: "scopes" }, Introspect: { secret } }[
          method
        ];
        const answer = await world.post(method, JSON.stringify({ ...rest, scopes }));
        expect(refusalIn(answer)).toBe("invalid_argument INVALID_REQUEST");
        expect((await world.connect().introspect({ secret })).token?.scopes).toEqual(["repo:read"]);
      },
    );
  });

  test("every well-formed scope comes back as it was sent, sorted and once", async () => {
    const { secret } = await world.issue({ scopes: [...WELL_FORMED, ...WELL_FORMED] });
    const { active, token } = await world.connect().introspect({ secret, scopes: WELL_FORMED });
    expect(active).toBe(true);
    expect(token?.scopes).toEqual([...WELL_FORMED].sort());
  });

  test("64 scopes of 128 bytes fit", async () => {
    const scopes = Array.from({ length: 64 }, (_, n) => String(n).padStart(128, "x"));
    const { secret } = await world.issue({ scopes });
    expect(await world.judge(secret, { scopes })).toBe("ACTIVE");
  });

  test.each([
    [["repo:read"], ["REPO:READ"]],
    [["REPO:READ"], ["repo:read"]],
    [["*"], ["repo:read"]],
    [["repo:*"], ["repo:read"]],
    [["repo:read"], ["*"]],
    [["repo:read"], ["repo:*"]],
    [["repo"], ["repo:read"]],
    [["repo:read"], ["repo"]],
    [["repo:read"], ["repo:read", "repo:write"]],
    [["a,b"], ["a"]],
    [["re.o"], ["repo"]],
    [["latchkey:admin"], ["latchkey:self"]],
    [[], ["repo:read"]],
  ])("a token with %j is not good for %j: scopes are compared byte by byte", async (scopes, asked) => {
    const { secret } = await world.issue({ scopes });
    expect(await world.judge(secret, { scopes })).toBe("ACTIVE");
    expect(await world.judge(secret, { scopes: asked })).toBe("SCOPE");
  });
});
