import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ListRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { startService, type TestService } from "../support/service.ts";
import { onEachStore, refusalOf } from "./world.ts";

const INVALID = "InvalidArgument PAGE_TOKEN_INVALID";

onEachStore((world) => {
  const tenant = "tenant";
  let ada: string;
  let pageToken: string;
  let other: TestService;

  beforeAll(async () => {
    for (let count = 0; count < 3; count++) await world.issue({ tenant, subject: "ada", label: "x" });
    ada = (await world.issue({ tenant, subject: "ada", scopes: ["latchkey:self"] })).secret;
    pageToken = (await world.connect(ada).list({ pageSize: 1 })).nextPageToken;
    other = await startService();
  });
  afterAll(() => other.close());

  test("a page token goes on where the page ended", async () => {
    const { tokens } = await world.connect(ada).list({ pageSize: 2, pageToken });
    expect(tokens.map((token) => token.label)).toEqual(["x", "x"]);
  });

  test("a page token that is changed at any one character is refused", async () => {
    const caller = world.connect(ada);
    const changed = [...pageToken].flatMap((character, index) =>
      [character === "A" ? "B" : "A", ".", "1", ""]
        .filter((other) => other !== character)
        .map((other) => pageToken.slice(0, index) + other + pageToken.slice(index + 1)),
    );
    for (let start = 0; start < changed.length; start += 100) {
      const calls = changed.slice(start, start + 100).map((text) => refusalOf(caller.list({ pageToken: text })));
      expect(new Set(await Promise.all(calls))).toEqual(new Set([INVALID]));
    }
  });

  test.each<[string, (token: string) => string]>([
    ["truncated", (token) => token.slice(0, -1)],
    ["half", (token) => token.slice(0, token.length / 2)],
    ["without signature", (token) => token.replace(/\.[^.]*$/, "")],
    ["with an empty signature", (token) => token.replace(/\.[^.]*$/, ".")],
    ["with more behind", (token) => `${token}A`],
    ["with white space behind", (token) => `${token} `],
    ["twice", (token) => token + token],
    ["padded", (token) => `${token}=`],
    ["of a key that there is not", (token) => token.replace(/^1\./, "2.")],
    ["of a key beyond numbers", (token) => token.replace(/^1\./, `${"9".repeat(400)}.`)],
    ["of a key written in another way", (token) => token.replace(/^1\./, "01.")],
    ["of 2 KiB", () => "A".repeat(2048)],
    ["of one dot", () => "."],
    ["of an object of JavaScript's own", () => `__proto__.W10.${"A".repeat(43)}`],
  ])("a page token %s is refused", async (_what, change) => {
    expect(await refusalOf(world.connect(ada).list({ pageToken: change(pageToken) }))).toBe(INVALID);
  });

  test("a page token beyond 2 KiB is refused unread", async () => {
    const asked = world.connect(ada).list({ pageToken: "A".repeat(2049) });
    expect(await refusalOf(asked)).toBe("InvalidArgument INVALID_REQUEST");
  });

  describe("a page token does not serve", () => {
    test("another caller, not even one with more power or of the same subject's name elsewhere", async () => {
      const callers = [
        { tenant, subject: "bob", scopes: ["latchkey:self"] },
        { tenant, subject: "boss", scopes: ["latchkey:admin"] },
        { tenant: "elsewhere", subject: "ada", scopes: ["latchkey:self"] },
      ];
      for (const wish of callers) {
        const caller = world.connect((await world.issue(wish)).secret);
        expect(await refusalOf(caller.list({ pageToken }))).toBe(INVALID);
      }
      expect(await refusalOf(world.connect().list({ pageToken, tenant, subject: "ada" }))).toBe(INVALID);
    });

    test.each<MessageInitShape<typeof ListRequestSchema>>([
      { label: "x" },
      { label: "" },
      { permanent: true },
      { permanent: false },
      { kinds: ["service"] },
      { status: 1 },
      { parentId: "x" },
      { createdAfter: { seconds: 1n } },
      { createdBefore: { seconds: 1n } },
      { expiringAfter: { seconds: 1n } },
      { lastUsedBefore: { seconds: 1n } },
    ])("another filter: %o", async (filter) => {
      expect(
        await refusalOf(world.connect(ada).list(Object.assign(create(ListRequestSchema, filter), { pageToken }))),
      ).toBe(INVALID);
    });

    test("another tenant or subject", async () => {
      const { nextPageToken } = await world.connect().list({ tenant, subject: "ada", pageSize: 1 });
      for (const range of [
        { tenant },
        { tenant: "elsewhere", subject: "ada" },
        { tenant, subject: "bob" },
        { subject: "ada" },
      ]) {
        expect(await refusalOf(world.connect().list({ ...range, pageToken: nextPageToken }))).toBe(INVALID);
      }
      const { tokens } = await world.connect().list({ tenant, subject: "ada", pageToken: nextPageToken });
      expect(tokens).toHaveLength(3);
    });

    test("a service with another key", async () => {
      const { nextPageToken } = await world.connect().list({ tenant, subject: "ada", pageSize: 1 });
      const asked = other.client().list({ tenant, subject: "ada", pageToken: nextPageToken });
      expect(await refusalOf(asked)).toBe(INVALID);
    });
  });
});
