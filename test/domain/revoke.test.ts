import { describe, expect, test } from "vitest";
import { introspect } from "../../src/domain/introspect.ts";
import { deleteToken, deleteTokens, type Revocation } from "../../src/domain/revoke.ts";
import { setActive } from "../../src/domain/set-active.ts";
import {
  ada,
  admin,
  ask,
  bob,
  callerOf,
  foreignAdmin,
  HOUR,
  NOW,
  openWorld,
  refusal,
  root,
  tokenOf,
  type World,
} from "./world.ts";

const never = new AbortController().signal;

function revocation(changes: Partial<Revocation> = {}): Revocation {
  return { tenant: "acme", subject: "ada", allSubjects: false, filter: {}, ...changes };
}

async function idsIn({ context }: World, tenant = "acme"): Promise<string[]> {
  return (await context.store.page({ tenant, limit: 1000 })).map(({ id }) => id);
}

describe("deleting a token", () => {
  test("ends it at once, by its id or its secret", async () => {
    const { context, issue } = await openWorld();
    const first = await issue();
    const second = await issue();
    expect(await deleteToken(context, ada, { id: first.token.id })).toBe(1);
    expect(await deleteToken(context, ada, { secret: second.secret })).toBe(1);
    for (const { secret } of [first, second]) {
      expect(await introspect(context, root, ask(secret))).toEqual({ active: false, reason: "UNKNOWN" });
    }
  });

  test("ends all that was exchanged from it too, and counts it", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    const tag = context.store.shardTag(token);
    const child = tokenOf({ id: `${tag}0000000000000001`, parentId: token.id });
    const grandchild = tokenOf({ id: `${tag}0000000000000002`, parentId: child.id });
    for (const descendant of [child, grandchild]) expect(await context.store.insert(descendant)).toBe("inserted");
    expect(await deleteToken(context, ada, { id: token.id })).toBe(3);
    expect(await context.store.find(grandchild.id)).toBeUndefined();
  });

  test("succeeds for exactly one of ten callers at the same moment", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => deleteToken(context, ada, { id: token.id })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject(refusal("TOKEN_NOT_FOUND"));
    }
  });

  test("is refused for a token out of reach, which stays", async () => {
    const world = await openWorld();
    const { token } = await world.issue({ scopes: ["repo:delete"] });
    for (const caller of [ada, bob, foreignAdmin]) {
      await expect(deleteToken(world.context, caller, { id: token.id })).rejects.toMatchObject(
        refusal("TOKEN_NOT_FOUND", "no such token"),
      );
    }
    expect(await idsIn(world)).toEqual([token.id]);
  });
});

describe("deleting a subject's tokens", () => {
  test("deletes all of the caller's own, where nothing is said, and nobody else's", async () => {
    const world = await openWorld();
    await world.issue();
    await world.issue({ kind: "session" });
    const others = await world.issue({ subject: "bob" });
    const own = revocation({ tenant: "", subject: "" });
    expect(await deleteTokens(world.context, ada, own, never)).toBe(2);
    expect(await idsIn(world)).toEqual([others.token.id]);
    expect(await deleteTokens(world.context, ada, own, never)).toBe(0);
  });

  test.each<[string, Revocation["filter"]]>([
    ["permanent ones only", { permanent: true }],
    ["of a kind only", { kinds: ["service"] }],
    ["of a status only", { status: "INACTIVE" }],
    ["of a client only", { clientId: "cli" }],
    ["with a label only", { label: "old" }],
    ["that never expire, if they are not the owner's only ones", { permanent: true, exceptIds: ["nothing"] }],
    ["made in a period only", { created: { after: NOW + HOUR } }],
    ["that were used in a period only", { lastUsed: { before: NOW + 2 * HOUR } }],
  ])("deletes %s, if that is asked for", async (_, filter) => {
    const world = await openWorld();
    const kept = await world.issue();
    world.pass(HOUR);
    const wish = { kind: "service", lifetime: { type: "permanent" }, clientId: "cli", label: "old" } as const;
    const { token, secret } = await world.issue(wish);
    await introspect(world.context, root, ask(secret));
    await world.context.lastUse.flush();
    await setActive(world.context, root, { id: token.id }, false);
    expect(await deleteTokens(world.context, root, revocation({ filter }), never)).toBe(1);
    expect(await idsIn(world)).toEqual([kept.token.id]);
  });

  test("spares those that are named, and ignores names of nothing", async () => {
    const world = await openWorld();
    const kept = await world.issue();
    await world.issue();
    const exceptIds = [kept.token.id, "nothing", ""];
    expect(await deleteTokens(world.context, ada, revocation({ filter: { exceptIds } }), never)).toBe(1);
    expect(await idsIn(world)).toEqual([kept.token.id]);
  });

  test("deletes those that are named, and no more of them than match", async () => {
    const world = await openWorld();
    const [first, second, third] = [await world.issue(), await world.issue({ label: "x" }), await world.issue()];
    const others = await world.issue({ subject: "bob" });
    const ids = [first.token.id, second.token.id, others.token.id, "nothing"];
    const filter = { ids, label: "" };
    expect(await deleteTokens(world.context, ada, revocation({ filter }), never)).toBe(1);
    expect(await deleteTokens(world.context, ada, revocation({ filter: { ids } }), never)).toBe(1);
    expect((await idsIn(world)).toSorted()).toEqual([third.token.id, others.token.id].toSorted());
  });

  test("deletes what expires, and leaves what is permanent: signing out everywhere", async () => {
    const world = await openWorld();
    const permanent = await world.issue({ lifetime: { type: "permanent" } });
    const own = await world.issue();
    await world.issue({ kind: "session" });
    const filter = { expiring: { after: 0 }, exceptIds: [own.token.id] };
    expect(await deleteTokens(world.context, ada, revocation({ filter }), never)).toBe(1);
    expect((await idsIn(world)).toSorted()).toEqual([permanent.token.id, own.token.id].toSorted());
  });

  test("spares those with more scopes than the caller has", async () => {
    const world = await openWorld();
    await world.issue({ scopes: ["repo:read"] });
    const stronger = await world.issue({ scopes: ["repo:delete"] });
    expect(await deleteTokens(world.context, ada, revocation(), never)).toBe(1);
    expect(await idsIn(world)).toEqual([stronger.token.id]);
  });

  test("goes by the status of now", async () => {
    const world = await openWorld();
    await world.issue({ lifetime: { type: "ttl", duration: HOUR } });
    const alive = await world.issue();
    world.pass(HOUR);
    expect(await deleteTokens(world.context, ada, revocation({ filter: { status: "EXPIRED" } }), never)).toBe(1);
    expect(await idsIn(world)).toEqual([alive.token.id]);
  });

  test.each([
    [
      "another subject's, without latchkey:admin",
      bob,
      {},
      "subject: another subject than your own needs latchkey:admin",
    ],
    [
      "another tenant's, without latchkey:root",
      foreignAdmin,
      {},
      "tenant: another tenant than your own needs latchkey:root",
    ],
    [
      "a whole tenant's, without latchkey:admin",
      ada,
      { subject: "", allSubjects: true },
      "all_subjects: needs latchkey:admin",
    ],
    [
      "another whole tenant's, without latchkey:root",
      foreignAdmin,
      { subject: "", allSubjects: true },
      "tenant: another tenant than your own needs latchkey:root",
    ],
  ])("is refused for %s", async (_, caller, changes, message) => {
    const world = await openWorld();
    const { token } = await world.issue();
    await expect(deleteTokens(world.context, caller, revocation(changes), never)).rejects.toMatchObject(
      refusal("OWNER_BEYOND_CALLER", message),
    );
    expect(await idsIn(world)).toEqual([token.id]);
  });
});

describe("deleting a tenant's tokens", () => {
  const everyone = revocation({ subject: "", allSubjects: true });

  test("deletes those of every subject, and none of another tenant", async () => {
    const world = await openWorld();
    const subjects = Array.from({ length: 30 }, (_, index) => `user-${index % 10}`);
    for (const subject of subjects) await world.issue({ subject });
    const foreign = await world.issue({ tenant: "globex" });
    expect(await deleteTokens(world.context, admin, everyone, never)).toBe(30);
    expect(await idsIn(world)).toEqual([]);
    expect(await idsIn(world, "globex")).toEqual([foreign.token.id]);
  });

  test("reaches every subject, also beyond one with more tokens than are looked at in one go", async () => {
    const world = await openWorld();
    const { context } = world;
    for (const subject of ["a", "b", "big", "c", "d"]) {
      const tag = context.store.shardTag({ tenant: "acme", subject });
      for (let index = 0; index < (subject === "big" ? 1001 : 1); index++) {
        const id = tag + String(index).padStart(16, "0");
        await context.store.insert(tokenOf({ id, subject, createTime: index }));
      }
    }
    expect(await deleteTokens(context, admin, everyone, never)).toBe(1005);
    expect(await idsIn(world)).toEqual([]);
  });

  test("spares the root's tokens from an administrator", async () => {
    const world = await openWorld();
    await world.issue({ subject: "bob" });
    const rooted = await world.issue({ subject: "bob", scopes: ["latchkey:root"] });
    expect(await deleteTokens(world.context, admin, everyone, never)).toBe(1);
    expect(await idsIn(world)).toEqual([rooted.token.id]);
  });

  test("stops between subjects when the caller has left; what is left can be deleted by the same call again", async () => {
    const world = await openWorld();
    for (const subject of ["a", "b", "c"]) await world.issue({ subject });
    const leaving = new AbortController();
    world.context.store.subscribe(() => leaving.abort(new Error("gone")));
    await expect(deleteTokens(world.context, admin, everyone, leaving.signal)).rejects.toThrow("gone");
    expect(await idsIn(world)).toHaveLength(2);
    expect(await deleteTokens(world.context, admin, everyone, never)).toBe(2);
  });

  test("deletes nothing of another tenant that is named alike", async () => {
    const world = await openWorld();
    const { token } = await world.issue();
    const namesake = callerOf({ tenant: "acm", subject: "boss", scopes: ["latchkey:admin"] });
    expect(await deleteTokens(world.context, namesake, { ...everyone, tenant: "" }, never)).toBe(0);
    expect(await idsIn(world)).toEqual([token.id]);
  });
});
