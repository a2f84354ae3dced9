import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Caller } from "../../src/domain/caller.ts";
import { type ListQuery, listTokens } from "../../src/domain/list.ts";
import type { Token } from "../../src/domain/token.ts";
import type { PageRange } from "../../src/store/token-store.ts";
import {
  ada,
  admin,
  bob,
  callerOf,
  DAY,
  foreignAdmin,
  HOUR,
  NOW,
  openWorld,
  refusal,
  root,
  tokenOf,
  type World,
} from "./world.ts";

function query(changes: Partial<ListQuery> = {}): ListQuery {
  return { tenant: "", subject: "", filter: {}, pageSize: 0, pageToken: "", ...changes };
}

/** All pages, one after the other. */
async function readPages({ context }: World, caller: Caller, changes: Partial<ListQuery> = {}): Promise<Token[][]> {
  const pages: Token[][] = [];
  let pageToken = "";
  do {
    const page = await listTokens(context, caller, query({ ...changes, pageToken }));
    pages.push(page.tokens);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return pages;
}

async function fill({ context }: World, tokens: readonly Partial<Token>[]): Promise<Token[]> {
  const filled = tokens.map((changes, index) => {
    const owner = { tenant: "acme", subject: "ada", ...changes };
    return tokenOf({ ...changes, id: context.store.shardTag(owner) + String(index).padStart(16, "0") });
  });
  for (const token of filled) expect(await context.store.insert(token)).toBe("inserted");
  return filled;
}

const ids = (tokens: readonly Token[]) => tokens.map(({ id }) => id);
const newestFirst = (a: Token, b: Token) => b.createTime - a.createTime || (a.id < b.id ? 1 : -1);

describe("pages", () => {
  test("hold every token of a subject exactly once, newest first, whatever their size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: NOW - 3, max: NOW }), { maxLength: 25 }),
        fc.integer({ min: 1, max: 8 }),
        async (times, pageSize) => {
          const world = await openWorld();
          const tokens = await fill(
            world,
            times.map((createTime) => ({ createTime })),
          );
          const pages = await readPages(world, ada, { pageSize });
          expect(ids(pages.flat())).toEqual(ids(tokens.toSorted(newestFirst)));
          for (const page of pages.slice(0, -1)) expect(page).toHaveLength(pageSize);
          if (tokens.length > 0) expect(pages.at(-1)?.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("hold every token of a tenant exactly once, a subject's tokens together and newest first", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom("a", "b", "é", "日本"), fc.integer({ min: NOW - 3, max: NOW })), {
          maxLength: 25,
        }),
        fc.integer({ min: 1, max: 8 }),
        async (entries, pageSize) => {
          const world = await openWorld();
          const tokens = await fill(
            world,
            entries.map(([subject, createTime]) => ({ subject, createTime })),
          );
          const listed = (await readPages(world, admin, { pageSize })).flat();
          expect(ids(listed).toSorted()).toEqual(ids(tokens).toSorted());
          const subjects = [...new Set(listed.map(({ subject }) => subject))];
          const grouped = subjects.flatMap((subject) =>
            tokens.filter((token) => token.subject === subject).toSorted(newestFirst),
          );
          expect(ids(listed)).toEqual(ids(grouped));
        },
      ),
      { numRuns: 25 },
    );
  });

  test("hold what a filter takes, however little that is, exactly once", async () => {
    const world = await openWorld();
    const labels = Array.from({ length: 60 }, (_, index) => ({
      label: index % 7 === 0 ? "x" : "y",
      createTime: NOW - index,
    }));
    const tokens = await fill(world, labels);
    for (const pageSize of [1, 2, 9, 100]) {
      const listed = (await readPages(world, ada, { pageSize, filter: { label: "x" } })).flat();
      expect(ids(listed)).toEqual(ids(tokens.filter(({ label }) => label === "x")));
    }
  });

  test("hold 50 by default, as many as asked for, and never more than 1,000", async () => {
    const world = await openWorld();
    await fill(
      world,
      Array.from({ length: 1001 }, () => ({})),
    );
    for (const [pageSize, expected] of [
      [0, 50],
      [51, 51],
      [100_000, 1000],
    ] as const) {
      const { tokens, nextPageToken } = await listTokens(world.context, ada, query({ pageSize }));
      expect(tokens).toHaveLength(expected);
      expect(nextPageToken).not.toBe("");
    }
  });

  test("are empty, and no error, where there is nothing", async () => {
    const { context } = await openWorld();
    expect(await listTokens(context, ada, query())).toEqual({ tokens: [], nextPageToken: "" });
  });

  test("end where the tokens end: the last full page has no next one", async () => {
    const world = await openWorld();
    await fill(world, [{}, {}]);
    expect(await listTokens(world.context, ada, query({ pageSize: 2 }))).toMatchObject({ nextPageToken: "" });
  });

  test("may be empty before the last: a filter that takes nothing of very much stops, after few looks", async () => {
    const { context } = await openWorld();
    const looks: number[] = [];
    const page = async ({ limit }: PageRange) => {
      looks.push(limit);
      return Array.from({ length: limit }, () => tokenOf());
    };
    const endless = { ...context, store: { ...context.store, page } };
    const { tokens, nextPageToken } = await listTokens(endless, ada, query({ pageSize: 1, filter: { label: "x" } }));
    expect(tokens).toEqual([]);
    expect(nextPageToken).not.toBe("");
    expect(looks).toEqual([2, 1000, 1000]);
  });

  test("go on although the token where they stopped was deleted, and skip nothing", async () => {
    const world = await openWorld();
    const tokens = await fill(
      world,
      [0, 1, 2, 3].map((age) => ({ createTime: NOW - age })),
    );
    const first = await listTokens(world.context, ada, query({ pageSize: 2 }));
    await world.context.store.remove(first.tokens[1]?.id ?? "");
    const second = await listTokens(world.context, ada, query({ pageSize: 2, pageToken: first.nextPageToken }));
    expect(ids(second.tokens)).toEqual(ids(tokens.slice(2)));
  });
});

describe("what a caller sees", () => {
  async function openPeopled(): Promise<World> {
    const world = await openWorld();
    await fill(world, [
      { subject: "ada", label: "ada's" },
      { subject: "ada", label: "ada's strong", scopes: ["repo:delete"] },
      { subject: "bob", label: "bob's" },
      { subject: "bob", label: "root's", scopes: ["latchkey:root"] },
      { tenant: "globex", subject: "ada", label: "foreign" },
    ]);
    return world;
  }

  test.each<[string, Caller, Partial<ListQuery>, string[]]>([
    ["everyone: its own, within its own scopes", ada, {}, ["ada's"]],
    ["everyone: its own, named", ada, { tenant: "acme", subject: "ada" }, ["ada's"]],
    ["an administrator: its whole tenant, but for the root's", admin, {}, ["ada's", "ada's strong", "bob's"]],
    ["an administrator: one subject", admin, { subject: "bob" }, ["bob's"]],
    ["an administrator: its tenant, not a namesake in another", foreignAdmin, {}, ["foreign"]],
    ["the root: any tenant", root, { tenant: "acme" }, ["ada's", "ada's strong", "bob's", "root's"]],
    ["the root: its own tenant, if none is named", root, {}, []],
  ])("%s", async (_, caller, changes, expected) => {
    const tokens = (await readPages(await openPeopled(), caller, { ...changes, pageSize: 2 })).flat();
    expect(tokens.map(({ label }) => label).toSorted()).toEqual(expected);
  });

  test.each([
    ["another subject", bob, { subject: "ada" }, "subject: another subject than your own needs latchkey:admin"],
    ["another tenant", admin, { tenant: "globex" }, "tenant: another tenant than your own needs latchkey:root"],
  ])("is never %s without the permission", async (_, caller, changes, message) => {
    const { context } = await openWorld();
    await expect(listTokens(context, caller, query(changes))).rejects.toMatchObject(
      refusal("OWNER_BEYOND_CALLER", message),
    );
  });

  test("permanent tokens, those that expire, or both", async () => {
    const world = await openWorld();
    await fill(world, [{ label: "permanent", expireTime: undefined, purgeTime: undefined }, { label: "expires" }]);
    const labelsOf = async (permanent: boolean | undefined) =>
      (await readPages(world, ada, { filter: { permanent } }))
        .flat()
        .map(({ label }) => label)
        .toSorted();
    expect(await labelsOf(true)).toEqual(["permanent"]);
    expect(await labelsOf(false)).toEqual(["expires"]);
    expect(await labelsOf(undefined)).toEqual(["expires", "permanent"]);
  });

  test("by ids, but for ids, by client, label and periods, page by page", async () => {
    const world = await openWorld();
    const filled = await fill(world, [
      { label: "a", clientId: "cli", createTime: NOW - 4 },
      { label: "b", clientId: "cli", createTime: NOW - 3, lastUsedTime: NOW - 1 },
      { label: "c", createTime: NOW - 2, expireTime: NOW + HOUR },
      { label: "d", createTime: NOW - 1, expireTime: undefined, purgeTime: undefined },
    ]);
    const [a = "", b = "", c = "", d = ""] = ids(filled);
    const labelsOf = async (filter: ListQuery["filter"]) =>
      (await readPages(world, ada, { filter, pageSize: 1 })).flat().map(({ label }) => label);
    expect(await labelsOf({ ids: [d, "nothing", a, ""] })).toEqual(["d", "a"]);
    expect(await labelsOf({ exceptIds: [d, "nothing", a] })).toEqual(["c", "b"]);
    expect(await labelsOf({ ids: [a, b, c], exceptIds: [b] })).toEqual(["c", "a"]);
    expect(await labelsOf({ clientId: "cli" })).toEqual(["b", "a"]);
    expect(await labelsOf({ label: "c" })).toEqual(["c"]);
    expect(await labelsOf({ created: { after: NOW - 3, before: NOW - 1 } })).toEqual(["c", "b"]);
    expect(await labelsOf({ expiring: { before: NOW + DAY } })).toEqual(["c"]);
    expect(await labelsOf({ lastUsed: { after: NOW - 1 } })).toEqual(["b"]);
    expect(await labelsOf({ ids: [] })).toEqual([]);
  });

  test("an expired token as such, until its retention is over", async () => {
    const world = await openWorld();
    await world.issue({ lifetime: { type: "ttl", duration: HOUR } });
    const expired = { filter: { status: "EXPIRED" } } as const;
    expect((await readPages(world, ada, expired)).flat()).toHaveLength(0);
    world.pass(HOUR);
    expect((await readPages(world, ada, expired)).flat()).toHaveLength(1);
    world.pass(DAY);
    expect((await readPages(world, ada)).flat()).toHaveLength(0);
  });
});

describe("a page token is refused", () => {
  const namesake = callerOf({ tenant: "acme", subject: "boss2", scopes: ["latchkey:admin"] });
  test.each<[string, Caller, Partial<ListQuery>]>([
    ["for another caller", namesake, {}],
    ["for another subject", admin, { subject: "ada" }],
    ["for another filter", admin, { filter: { permanent: false } }],
    ["for a filter with more conditions", admin, { filter: { label: "" } }],
    ["for other ids", admin, { filter: { ids: ["x"] } }],
    ["for other exceptions", admin, { filter: { exceptIds: ["x"] } }],
    ["for a filter of another period", admin, { filter: { created: { after: 1 } } }],
  ])("%s", async (_, caller, changes) => {
    const world = await openWorld();
    await fill(world, [{}, {}]);
    const { nextPageToken } = await listTokens(world.context, admin, query({ pageSize: 1 }));
    const next = query({ pageSize: 1, pageToken: nextPageToken });
    expect((await listTokens(world.context, admin, next)).tokens).toHaveLength(1);
    await expect(listTokens(world.context, caller, { ...next, ...changes })).rejects.toMatchObject(
      refusal("PAGE_TOKEN_INVALID", "page_token: not made for this caller and these conditions"),
    );
  });

  test("but not for another page size, which may change as one goes", async () => {
    const world = await openWorld();
    await fill(world, [{}, {}, {}]);
    const { nextPageToken } = await listTokens(world.context, ada, query({ pageSize: 1 }));
    const { tokens } = await listTokens(world.context, ada, query({ pageSize: 5, pageToken: nextPageToken }));
    expect(tokens).toHaveLength(2);
  });
});
