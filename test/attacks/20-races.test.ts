import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verdictOf } from "../support/answers.ts";
import { useKinds } from "../support/kinds.ts";
import { connectPlayers, type Player } from "../support/players.ts";
import { byId } from "../support/service.ts";
import { onEachStore, outcomeOf } from "./world.ts";

/** How often each race is run. */
const ROUNDS = 10;
const CONNECTIONS = 8;

const SPENT = "FailedPrecondition SECRET_SPENT";
const GONE = "NotFound TOKEN_NOT_FOUND";

type Root = Player["root"];

/** What an introspection has found, and whether it ended before a change began, or began after it was acknowledged. */
interface Sight {
  readonly verdict: string;
  readonly when: "before" | "during" | "after";
}

onEachStore((world) => {
  let players: Player[];
  beforeAll(() => {
    players = connectPlayers([world.service.url], CONNECTIONS);
  });
  afterAll(() => {
    for (const player of players) player.close();
  });

  const root = (index: number): Root => (players[index % CONNECTIONS] as Player).root;
  const owner = () => ({ tenant: world.name("tenant"), subject: "ada" });
  const idsOf = async (tenant: string) => {
    const { tokens } = await world.connect().list({ tenant, pageSize: 1000 });
    return tokens.map((token) => token.id).toSorted();
  };
  const repeat = async (round: () => Promise<void>) => {
    for (let count = 0; count < ROUNDS; count++) await round();
  };

  /** Introspects the secret over and over, from all connections but one, while that one does something to its token. */
  async function watch(secret: string, peek: boolean, change: (root: Root) => Promise<unknown>): Promise<Sight[]> {
    const sights: { readonly verdict: string; readonly began: number; readonly ended: number }[] = [];
    let isOver = false;
    const watchers = players.slice(1).map(async (player) => {
      // Each looks twice more once it is over.
      for (let rest = 2; rest > 0; rest -= isOver ? 1 : 0) {
        const began = performance.now();
        const verdict = verdictOf(await player.root.introspect({ secret, peek }));
        sights.push({ verdict, began, ended: performance.now() });
      }
    });
    await expect.poll(() => sights.length, { interval: 1, timeout: 10_000 }).toBeGreaterThanOrEqual(CONNECTIONS);
    const began = performance.now();
    await change(root(0));
    const ended = performance.now();
    isOver = true;
    await Promise.all(watchers);
    return sights.map((sight) => {
      const when = sight.ended < began ? "before" : sight.began > ended ? "after" : "during";
      return { verdict: sight.verdict, when };
    });
  }

  /** The verdicts of that time, each once. */
  const seen = (sights: Sight[], when: Sight["when"]) => [
    ...new Set(sights.filter((sight) => sight.when === when).map(({ verdict }) => verdict)),
  ];

  describe("of those who introspect meanwhile, nobody who begins after the answer finds the secret good:", () => {
    type Change = (root: Root, token: { id: string; secret: string; tenant: string }) => Promise<unknown>;
    const CHANGES: [what: string, kind: string, change: Change, verdict: string][] = [
      ["Delete by id", "service", (by, { id }) => by.delete({ token: byId(id) }), "UNKNOWN"],
      [
        "Delete by secret",
        "service",
        (by, { secret }) => by.delete({ token: { case: "secret", value: secret } }),
        "UNKNOWN",
      ],
      ["DeleteAll", "service", (by, { tenant }) => by.deleteAll({ tenant, subject: "ada" }), "UNKNOWN"],
      ["DeleteAll of a tenant", "service", (by, { tenant }) => by.deleteAll({ tenant, allSubjects: true }), "UNKNOWN"],
      ["SetActive", "service", (by, { id }) => by.setActive({ token: byId(id), active: false }), "INACTIVE"],
      ["Rotate", "service", (by, { id }) => by.rotate({ token: byId(id) }), "SPENT"],
      ["Rotate of a JWT", "access", (by, { id }) => by.rotate({ token: byId(id) }), "SPENT"],
      ["Exchange", "rotating", (by, { secret }) => by.exchange({ secret }), "SPENT"],
      ["Exchange of a one-time link", "link", (by, { secret }) => by.exchange({ secret }), "EXHAUSTED"],
      ["its last use", "link", (by, { secret }) => by.introspect({ secret }), "EXHAUSTED"],
    ];

    test.each(CHANGES)("%s", async (_, kind, change, verdict) => {
      await repeat(async () => {
        const token = await world.issue({ ...owner(), kind });
        const sights = await watch(token.secret, kind === "link", (by) => change(by, token));
        expect(seen(sights, "before")).toEqual(["ACTIVE"]);
        expect(["ACTIVE", verdict]).toEqual(expect.arrayContaining(seen(sights, "during")));
        expect(seen(sights, "after")).toEqual([verdict]);
      });
    });

    test.each([
      ["Delete of what it was exchanged from", (by: Root, id: string) => by.delete({ token: byId(id) })],
      [
        "DeleteAll of the kind of what it was exchanged from",
        (by: Root, _: string, tenant: string) => by.deleteAll({ tenant, subject: "ada", kinds: ["rotating"] }),
      ],
    ])("%s", async (_, change) => {
      await repeat(async () => {
        const parent = await world.issue({ ...owner(), kind: "rotating" });
        const { secret } = await world.connect().exchange({ secret: parent.secret });
        const sights = await watch(secret, false, (by) => change(by, parent.id, parent.tenant));
        expect(seen(sights, "before")).toEqual(["ACTIVE"]);
        expect(seen(sights, "after")).toEqual(["UNKNOWN"]);
      });
    });

    test("the first use of a new secret that waited for it", async () => {
      await repeat(async () => {
        const { id, secret } = await world.issue(owner());
        const { secret: next } = await world.connect().rotate({ token: byId(id), activateOnFirstUse: true });
        const sights = await watch(secret, false, (by) => by.introspect({ secret: next }));
        expect(seen(sights, "before")).toEqual(["ACTIVE"]);
        expect(seen(sights, "after")).toEqual(["SPENT"]);
      });
    });
  });

  test("a use that is noted in the background does not bring a deleted token back", async () => {
    const { id, secret } = await world.issue(owner());
    const other = await world.issue(owner());
    const [first] = await Promise.all([world.judge(secret), world.judge(other.secret)]);
    expect(first).toBe("ACTIVE");
    await world.connect().delete({ token: byId(id) });
    const lastUse = async () => (await world.connect().get({ token: byId(other.id) })).token?.lastUsedTime;
    await expect.poll(lastUse, { timeout: 5000 }).toBeDefined();
    expect(await world.judge(secret)).toBe("UNKNOWN");
    expect(await outcomeOf(world.connect().get({ token: byId(id) }))).toBe(GONE);
  });

  test("of Creates at the same moment as a DeleteAll, each is either there as a whole or gone as a whole", async () => {
    await repeat(async () => {
      const { tenant, subject } = owner();
      const create = (index: number) => root(index).create({ tenant, subject, kind: "service" });
      const before = await Promise.all([create(0), create(1), create(2)]);
      const racing = Array.from({ length: 10 }, (_, index) => create(index));
      const { deletedCount } = await root(3).deleteAll({ tenant, subject });
      const created = await Promise.all(racing);
      const after = await create(4);

      const all = [...before, ...created, after];
      const verdicts = await Promise.all(all.map(({ secret }) => world.judge(secret)));
      const alive = all.filter((_, index) => verdicts[index] === "ACTIVE").map(({ token }) => token?.id ?? "");
      expect(verdicts.slice(0, 3)).toEqual(["UNKNOWN", "UNKNOWN", "UNKNOWN"]);
      expect(verdicts.at(-1)).toBe("ACTIVE");
      expect(await idsOf(tenant)).toEqual(alive.toSorted());
      expect(alive.length + Number(deletedCount)).toBe(all.length);
    });
  });

  test("Creates at the same moment as a DeleteAll break no cap and no label", async () => {
    await repeat(async () => {
      const { tenant, subject } = owner();
      const create = (kind: string, index: number) =>
        outcomeOf(root(index).create({ tenant, subject, kind, label: "the label" }));
      const wave = () => Array.from({ length: 12 }, (_, index) => create(index % 2 === 0 ? "few" : "named", index));
      await Promise.all([...wave(), root(1).deleteAll({ tenant, subject }), ...wave()]);
      // Whoever was refused was refused for those that are there, or were a moment ago.
      await Promise.all(wave());
      const { tokens } = await world.connect().list({ tenant });
      expect(tokens.map(({ kind }) => kind).toSorted()).toEqual(["few", "few", "named"]);
    });
  });

  test("of many Creates of a kind of which there is one, one makes it, and the others are told of it", async () => {
    await repeat(async () => {
      const { tenant, subject } = owner();
      const creates = Array.from({ length: 12 }, (_, index) => root(index).create({ tenant, subject, kind: "only" }));
      const answers = await Promise.all(creates);
      expect(new Set(answers.map(({ token }) => token?.id)).size).toBe(1);
      const made = answers.filter(({ existing }) => !existing);
      expect(made.map(({ secret }) => secret.slice(0, 7))).toEqual(["lk_onl_"]);
      expect(answers.filter(({ existing }) => existing).map(({ secret }) => secret)).toEqual(Array(11).fill(""));
      expect(await idsOf(tenant)).toEqual([made[0]?.token?.id]);
    });
  });

  test.each(["Delete", "DeleteAll"])(
    "an Exchange at the same moment as a %s of its token leaves no child",
    async (how) => {
      await repeat(async () => {
        const { id, tenant, secret } = await world.issue({ ...owner(), kind: "refresh" });
        const exchanges = Array.from({ length: 6 }, (_, index) => root(index).exchange({ secret }));
        const deletion =
          how === "Delete" ? root(6).delete({ token: byId(id) }) : root(6).deleteAll({ tenant, subject: "ada" });
        const [outcomes] = await Promise.all([Promise.allSettled(exchanges), deletion]);
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.status === "fulfilled") expect(await world.judge(outcome.value.secret)).toBe("UNKNOWN");
          else expect(await outcomeOf(exchanges[index] as Promise<unknown>)).toBe(GONE);
        }
        expect(await idsOf(tenant)).toEqual([]);
      });
    },
  );

  test("of many Exchanges of one rotating secret, one wins, and what it was given is good", async () => {
    await repeat(async () => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind: "rotating" });
      const exchanges = Array.from({ length: 10 }, (_, index) => root(index).exchange({ secret }));
      const outcomes = await Promise.all(exchanges.map(outcomeOf));
      expect(outcomes.toSorted()).toEqual([...Array(9).fill(SPENT), "ok"]);
      const won = await (exchanges[outcomes.indexOf("ok")] as (typeof exchanges)[0]);
      expect(await idsOf(tenant)).toEqual([id, won.token?.id].toSorted());
      expect(await world.judge(won.secret)).toBe("ACTIVE");
      expect(await world.judge(won.parentSecret)).toBe("ACTIVE");
      expect(await world.judge(secret)).toBe("SPENT");
    });
  });

  test("of many Exchanges of one secret of a token that dies of reuse, one wins, and then all is gone", async () => {
    await repeat(async () => {
      const { tenant, secret } = await world.issue({ ...owner(), kind: "strict" });
      const exchanges = Array.from({ length: 10 }, (_, index) => root(index).exchange({ secret }));
      const outcomes = await Promise.all(exchanges.map(outcomeOf));
      expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
      expect([SPENT, GONE]).toEqual(expect.arrayContaining(outcomes.filter((outcome) => outcome !== "ok")));
      const won = await (exchanges[outcomes.indexOf("ok")] as (typeof exchanges)[0]);
      expect(await idsOf(tenant)).toEqual([]);
      expect(await world.judge(won.secret)).toBe("UNKNOWN");
      expect(await world.judge(won.parentSecret)).toBe("UNKNOWN");
    });
  });

  test.each(["service", "access"])("of many Rotates of one %s token, one secret is good in the end", async (kind) => {
    await repeat(async () => {
      const { id, secret } = await world.issue({ ...owner(), kind });
      const rotated = await Promise.all(
        Array.from({ length: 8 }, (_, index) => root(index).rotate({ token: byId(id) })),
      );
      const secrets = [secret, ...rotated.map((answer) => answer.secret)];
      expect(new Set(secrets).size).toBe(9);
      const verdicts = await Promise.all(secrets.map((text) => world.judge(text, { peek: true })));
      expect(verdicts.toSorted()).toEqual(["ACTIVE", ...Array(8).fill("SPENT")]);
      expect(verdicts[0]).toBe("SPENT");
      const { token } = await world.connect().get({ token: byId(id) });
      expect(token?.etag).toBe("9");
    });
  });

  test("of many Rotates whose secret waits for its first use, one is good in the end, and the old one until then", async () => {
    await repeat(async () => {
      const { id, secret } = await world.issue(owner());
      const rotates = Array.from({ length: 8 }, (_, index) =>
        root(index).rotate({ token: byId(id), activateOnFirstUse: true }),
      );
      const secrets = (await Promise.all(rotates)).map((answer) => answer.secret);
      const verdicts = await Promise.all(secrets.map((text) => world.judge(text, { peek: true })));
      expect(verdicts.toSorted()).toEqual(["ACTIVE", ...Array(7).fill("SPENT")]);
      expect(await world.judge(secret)).toBe("ACTIVE");
      await Promise.all(secrets.map((text) => world.judge(text)));
      expect(await world.judge(secret)).toBe("SPENT");
    });
  });

  test("a Rotate and an Exchange of one rotating token leave the secret of the Rotate good, or that of the Exchange, not both", async () => {
    await repeat(async () => {
      const { id, secret } = await world.issue({ ...owner(), kind: "rotating" });
      const rotate = root(0).rotate({ token: byId(id) });
      const exchange = root(1).exchange({ secret });
      const outcome = await outcomeOf(exchange);
      expect(["ok", SPENT]).toContain(outcome);
      expect(await world.judge((await rotate).secret)).toBe("ACTIVE");
      expect(await world.judge(secret)).toBe("SPENT");
      if (outcome === "ok") expect(await world.judge((await exchange).parentSecret)).toBe("SPENT");
    });
  });

  test.each(["Rotate", "SetActive", "Update"])("%s at the same moment as a Delete revives nothing", async (what) => {
    await repeat(async () => {
      const { id, tenant, secret } = await world.issue(owner());
      const token = byId(id);
      const edits = Array.from({ length: 6 }, (_, index) => {
        if (what === "Rotate") return root(index).rotate({ token });
        if (what === "SetActive") return root(index).setActive({ token, active: index % 2 === 0 });
        return root(index).update({
          token: { case: "id", value: id },
          label: `label ${index}`,
          updateMask: { paths: ["label"] },
        });
      });
      const [outcomes] = await Promise.all([Promise.all(edits.map(outcomeOf)), root(6).delete({ token })]);
      expect(["ok", GONE]).toEqual(expect.arrayContaining([...new Set(outcomes)]));
      expect(await idsOf(tenant)).toEqual([]);
      const rotated = await Promise.allSettled(edits);
      const secrets = rotated.flatMap((edit) =>
        edit.status === "fulfilled" && "secret" in edit.value ? [edit.value.secret] : [],
      );
      for (const text of [secret, ...secrets]) expect(await world.judge(text)).toBe("UNKNOWN");
    });
  });
}, useKinds());
