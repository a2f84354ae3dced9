import { describe, expect, test } from "vitest";
import { introspect } from "../../src/domain/introspect.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { type Rotation, rotateToken } from "../../src/domain/rotate.ts";
import { setActive } from "../../src/domain/set-active.ts";
import {
  ada,
  ask,
  bob,
  callerOf,
  DAY,
  HOUR,
  kindOf,
  MINUTE,
  NOW,
  openWorld,
  refusal,
  root,
  service,
  type World,
} from "./world.ts";

const inactive = (reason: string) => ({ active: false, reason });

function rotate({ context }: World, id: string, changes: Partial<Rotation> = {}, caller = root) {
  const rotation = { handle: { id }, grace: 0, activateOnFirstUse: false, requestId: "", ...changes };
  return rotateToken(context, caller, rotation);
}

async function openRotated(changes: Partial<Rotation> = {}) {
  const world = await openWorld();
  const old = await world.issue({ scopes: ["repo:read"], label: "ci" });
  const rotated = await rotate(world, old.token.id, changes);
  const judge = async (secret: string, peek = false) => {
    const verdict = await introspect(world.context, service, ask(secret, { peek }));
    return verdict.active ? "ACTIVE" : verdict.reason;
  };
  return { ...world, old, rotated, judge };
}

describe("a rotated token", () => {
  test("has a new secret and a new etag, and is the same in all else", async () => {
    const { old, rotated } = await openRotated();
    expect(rotated.secret).not.toBe(old.secret);
    const { version, revision, digests, ...same } = rotated.token;
    expect(old.token).toMatchObject(same);
    expect({ version, revision, digests: digests.length }).toEqual({ version: 2, revision: 2, digests: 1 });
  });

  test("is known by the new secret only, and its old one is SPENT", async () => {
    const { old, rotated, judge, events } = await openRotated();
    expect(await judge(rotated.secret)).toBe("ACTIVE");
    expect(await judge(old.secret)).toBe("SPENT");
    const { id, tenant, subject, kind } = old.token;
    const event = { type: "spent-secret-presented", tokenId: id, tenant, subject, kind, deletedCount: 0 };
    expect(events).toEqual([event]);
  });

  test("tells nobody of a look at its old secret", async () => {
    const { old, judge, events } = await openRotated();
    expect(await judge(old.secret, true)).toBe("SPENT");
    expect(events).toEqual([]);
  });

  test("whose old secret is made up is UNKNOWN by it, though the id is right", async () => {
    const { context, rotated, judge, issue } = await openRotated();
    const other = await issue();
    await deleteToken(context, root, { id: other.token.id });
    expect(await judge(other.secret)).toBe("UNKNOWN");
    expect(await judge(rotated.secret.replace(/.{6}$/, "000000"))).toBe("MALFORMED");
  });

  test("keeps its expiry, its switch and its uses", async () => {
    const world = await openWorld();
    const { token } = await world.issue({ lifetime: { type: "ttl", duration: HOUR }, maxUses: 3, inactive: true });
    world.pass(MINUTE);
    const rotated = await rotate(world, token.id);
    expect(rotated.token).toMatchObject({ expireTime: token.expireTime, usesLeft: 3, active: false });
  });

  test("by its own secret, in its owner's hand", async () => {
    const world = await openWorld();
    const { secret } = await world.issue({ scopes: ["repo:read"] });
    const rotated = await rotate(world, "", { handle: { secret } }, ada);
    expect(await introspect(world.context, service, ask(rotated.secret))).toMatchObject({ active: true });
    await expect(rotate(world, "", { handle: { secret } }, ada)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND"));
    await expect(rotate(world, "", { handle: { secret: "junk" } }, ada)).rejects.toMatchObject(
      refusal("TOKEN_NOT_FOUND", "no such token"),
    );
  });
});

describe("a grace", () => {
  test("lets the old secret work for its time, and no longer", async () => {
    const { old, rotated, judge, pass } = await openRotated({ grace: HOUR });
    expect([await judge(old.secret), await judge(rotated.secret)]).toEqual(["ACTIVE", "ACTIVE"]);
    pass(HOUR - 1);
    expect(await judge(old.secret)).toBe("ACTIVE");
    pass(1);
    expect([await judge(old.secret), await judge(rotated.secret)]).toEqual(["SPENT", "ACTIVE"]);
  });

  test("is not made longer by the next rotation", async () => {
    const world = await openRotated({ grace: HOUR });
    const next = await rotate(world, world.old.token.id, { grace: DAY });
    world.pass(HOUR);
    const { judge, old, rotated } = world;
    expect([await judge(old.secret), await judge(rotated.secret), await judge(next.secret)]).toEqual([
      "SPENT",
      "ACTIVE",
      "ACTIVE",
    ]);
  });

  test("ends with the token, and the whole token with its expiry", async () => {
    const world = await openWorld();
    const { token, secret } = await world.issue({ lifetime: { type: "ttl", duration: HOUR } });
    await rotate(world, token.id, { grace: DAY });
    world.pass(HOUR);
    expect(await introspect(world.context, service, ask(secret))).toEqual(inactive("EXPIRED"));
  });

  test("is kept for eight old secrets at once", async () => {
    const world = await openRotated({ grace: HOUR });
    const secrets = [world.old.secret, world.rotated.secret];
    for (let n = 0; n < 8; n++) secrets.push((await rotate(world, world.old.token.id, { grace: HOUR })).secret);
    const verdicts = await Promise.all(secrets.map((secret) => world.judge(secret)));
    expect(verdicts).toEqual(["SPENT", ...Array(9).fill("ACTIVE")]);
  });
});

describe("a new secret that takes effect with its first use", () => {
  test("leaves the old one as it is until then", async () => {
    const { old, rotated, judge, pass } = await openRotated({ activateOnFirstUse: true });
    pass(30 * DAY);
    expect(await judge(old.secret)).toBe("ACTIVE");
    expect(await judge(rotated.secret, true)).toBe("ACTIVE");
    expect(await judge(old.secret)).toBe("ACTIVE");
    expect(await judge(rotated.secret)).toBe("ACTIVE");
    expect(await judge(old.secret)).toBe("SPENT");
    expect(await judge(rotated.secret)).toBe("ACTIVE");
  });

  test("lets the grace begin with it", async () => {
    const { old, rotated, judge, pass } = await openRotated({ activateOnFirstUse: true, grace: HOUR });
    pass(DAY);
    expect(await judge(rotated.secret)).toBe("ACTIVE");
    pass(HOUR - 1);
    expect(await judge(old.secret)).toBe("ACTIVE");
    pass(1);
    expect(await judge(old.secret)).toBe("SPENT");
  });

  test("is not used by a question that it is no good for", async () => {
    const { context, old, rotated, judge } = await openRotated({ activateOnFirstUse: true });
    expect(await introspect(context, service, ask(rotated.secret, { scopes: ["billing"] }))).toEqual(inactive("SCOPE"));
    expect(await judge(old.secret)).toBe("ACTIVE");
  });

  test.each([true, false])("is replaced by the next one, if it was never used (that too: %s)", async (again) => {
    const world = await openRotated({ activateOnFirstUse: true });
    const next = await rotate(world, world.old.token.id, { activateOnFirstUse: again, grace: HOUR });
    const { judge, old, rotated } = world;
    expect(await judge(rotated.secret)).toBe("SPENT");
    expect([await judge(next.secret), await judge(old.secret)]).toEqual(["ACTIVE", "ACTIVE"]);
  });

  test("takes effect for one of many that use it at once, and all of them succeed", async () => {
    const { old, rotated, judge } = await openRotated({ activateOnFirstUse: true });
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => judge(rotated.secret)));
    expect(new Set(verdicts)).toEqual(new Set(["ACTIVE"]));
    expect(await judge(old.secret)).toBe("SPENT");
  });
});

describe("no new secret is made", () => {
  test("for a token that is not there, or not the caller's", async () => {
    const world = await openWorld();
    const { token } = await world.issue();
    for (const [id, caller] of [
      ["abcABCDEFGHIJKLMNOP", root],
      ["", root],
      [token.id, bob],
    ] as const) {
      await expect(rotate(world, id, {}, caller)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND", "no such token"));
    }
  });

  test("for one that takes a fresh login to make, until its owner logs in again or presents its secret", async () => {
    const kind = { name: "guarded", prefix: "gua", creators: ["jwt"], freshLogin: HOUR } as const;
    const world = await openWorld(kindOf(kind));
    const { token, secret } = await world.issue({ kind: "guarded" });
    await expect(rotate(world, token.id, {}, ada)).rejects.toMatchObject(refusal("LOGIN_TOO_OLD"));
    const fresh = callerOf({ authTime: NOW });
    const rotated = await rotate(world, token.id, { grace: HOUR }, fresh);
    expect(await rotate(world, "", { handle: { secret } }, ada)).not.toMatchObject({ secret: rotated.secret });
  });

  test("for one that can't come back", async () => {
    const world = await openWorld();
    const { token } = await world.issue({ lifetime: { type: "ttl", duration: HOUR } });
    const link = await world.issue({ kind: "link" });
    await introspect(world.context, service, ask(link.secret));
    await expect(rotate(world, link.token.id)).rejects.toMatchObject(
      refusal("TOKEN_NOT_ACTIVE", "the token is exhausted"),
    );
    world.pass(HOUR);
    await expect(rotate(world, token.id)).rejects.toMatchObject(refusal("TOKEN_NOT_ACTIVE", "the token is expired"));
  });

  test("of a kind that is no longer in the table, for nobody knows how", async () => {
    const world = await openWorld(kindOf());
    const { token } = await world.issue({ kind: "test" });
    const { context } = await openWorld();
    const without = { ...world, context: { ...world.context, kinds: context.kinds } };
    await expect(rotate(without, token.id)).rejects.toMatchObject(
      refusal("KIND_UNKNOWN", "id: kind test is no longer in the kinds table"),
    );
  });
});

test("of many that rotate at once without grace, one holds a good secret in the end", async () => {
  const world = await openRotated();
  const rotations = await Promise.all(Array.from({ length: 20 }, () => rotate(world, world.old.token.id)));
  const verdicts = await Promise.all(rotations.map(({ secret }) => world.judge(secret, true)));
  expect(verdicts.toSorted()).toEqual(["ACTIVE", ...Array(19).fill("SPENT")]);
});

test("a switched-off token can be rotated, and stays off", async () => {
  const world = await openRotated();
  await setActive(world.context, root, { id: world.old.token.id }, false);
  const { secret } = await rotate(world, world.old.token.id);
  expect(await world.judge(secret)).toBe("INACTIVE");
});
