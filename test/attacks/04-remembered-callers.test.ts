import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { durationFromMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KINDS, useKinds } from "../support/kinds.ts";
import { byId, ROOT_TOKEN } from "../support/service.ts";
import { onEachStore, refusalIn, refusalOf } from "./world.ts";

// The service remembers for a moment who introspects. Whoever is known already must get nothing by it that a stranger would not get.

const kinds = useKinds(`${KINDS}\n  - { name: badge, prefix: lk_bad, permanent: true, scheme: Badge }\n`);
const REFUSED = "Unauthenticated CREDENTIALS_INVALID";
const HEADER = "x-tenant";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-issuers-"));
  writeFileSync(join(folder, "issuers.yaml"), `tenant_header: ${HEADER}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));
const variables = () => ({ ...kinds(), LATCHKEY_ISSUERS: join(folder, "issuers.yaml") });

onEachStore((world) => {
  const owner = () => ({
    tenant: world.name("tenant"),
    subject: "ada",
    scopes: ["latchkey:introspect", "latchkey:self"],
  });
  /** A new token that is known as a caller. */
  const issueKnown = async (wish: Parameters<typeof world.issue>[0] = {}) => {
    const token = await world.issue({ ...owner(), ...wish });
    const caller = world.connect(token.secret);
    const call = () => caller.introspect({ secret: "nobody's" });
    await call();
    await call();
    return { ...token, call };
  };
  const post = async (
    headers: Record<string, string>,
    method = "Introspect",
    body: object = { secret: "nobody's" },
  ) => {
    const answer = await world.post(method, JSON.stringify(body), headers);
    return answer.status === 200 ? "ok" : refusalIn(answer);
  };

  describe("what is known of a caller ends with the answer to", () => {
    type Known = Awaited<ReturnType<typeof issueKnown>>;
    const CHANGES: [what: string, change: (known: Known) => Promise<unknown>][] = [
      ["Delete", ({ id }) => world.connect().delete({ token: byId(id) })],
      ["Delete by the secret", ({ secret: value }) => world.connect().delete({ token: { case: "secret", value } })],
      ["its own Delete", ({ id, secret }) => world.connect(secret).delete({ token: byId(id) })],
      ["DeleteAll", ({ tenant }) => world.connect().deleteAll({ tenant, subject: "ada" })],
      ["DeleteAll of a tenant", ({ tenant }) => world.connect().deleteAll({ tenant, allSubjects: true })],
      ["SetActive", ({ id }) => world.connect().setActive({ token: byId(id), active: false })],
      ["Rotate", ({ id }) => world.connect().rotate({ token: byId(id) })],
      ["its own Rotate", ({ id, secret }) => world.connect(secret).rotate({ token: byId(id) })],
    ];
    test.each(CHANGES)("%s", async (_, change) => {
      for (const kind of ["service", "personal", "session", "access"]) {
        const known = await issueKnown({ kind });
        await change(known);
        // However many ask at once.
        const refusals = await Promise.all(Array.from({ length: 8 }, () => refusalOf(known.call())));
        expect([kind, ...new Set(refusals)]).toEqual([kind, REFUSED]);
      }
    });

    test("Update that takes scopes", async () => {
      const { id, secret } = await issueKnown();
      const caller = world.connect(secret);
      expect((await caller.introspect({ secret })).active).toBe(true);
      const narrowed = { token: byId(id), scopes: ["latchkey:self"], updateMask: { paths: ["scopes"] } };
      await world.connect().update(narrowed);
      expect(await refusalOf(caller.introspect({ secret }))).toBe("PermissionDenied PERMISSION_DENIED");
    });

    test("Delete of what it was exchanged from", async () => {
      const parent = await world.issue({ ...owner(), kind: "rotating" });
      const { secret } = await world.connect().exchange({ secret: parent.secret });
      const call = () => world.connect(secret).introspect({ secret: "nobody's" });
      await call();
      await world.connect().delete({ token: byId(parent.id) });
      expect(await refusalOf(call())).toBe(REFUSED);
    });

    test("a spent secret of what it was exchanged from, where the kind says so", async () => {
      const parent = await world.issue({ ...owner(), kind: "strict" });
      const { secret } = await world.connect().exchange({ secret: parent.secret });
      const call = () => world.connect(secret).introspect({ secret: "nobody's" });
      await call();
      expect(await refusalOf(world.connect().exchange({ secret: parent.secret }))).toBe(
        "FailedPrecondition SECRET_SPENT",
      );
      expect(await refusalOf(call())).toBe(REFUSED);
    });

    test("the first use of a new secret that waited for it", async () => {
      const { id, call } = await issueKnown();
      const { secret } = await world.connect().rotate({ token: byId(id), activateOnFirstUse: true });
      await call();
      await world.connect(secret).introspect({ secret: "nobody's" });
      expect(await refusalOf(call())).toBe(REFUSED);
    });
  });

  test("it ends with the token's expiry, to the moment", async () => {
    const known = await issueKnown({ lifetime: { case: "ttl", value: durationFromMs(300) } });
    const end = timestampMs(known.expireTime as Timestamp);
    while (Date.now() < end - 50) await known.call();
    // The clock of the store is that of this machine, to within a moment.
    while (Date.now() < end + 5) await known.call().catch(() => {});
    expect(await refusalOf(known.call())).toBe(REFUSED);
  });

  test("it never outlives a token that dies while many call with it and change it", async () => {
    for (let round = 0; round < 10; round++) {
      const { id, call } = await issueKnown();
      let isDeleted = false;
      const late: string[] = [];
      const callers = Array.from({ length: 6 }, async () => {
        for (let rest = 3; rest > 0; rest -= isDeleted ? 1 : 0) {
          const wasDeleted = isDeleted;
          const outcome = await call().then(
            () => "ok",
            () => REFUSED,
          );
          if (wasDeleted) late.push(outcome);
        }
      });
      for (const active of [false, true, false, true]) await world.connect().setActive({ token: byId(id), active });
      await world.connect().delete({ token: byId(id) });
      isDeleted = true;
      await Promise.all(callers);
      expect(new Set(late)).toEqual(new Set([REFUSED]));
    }
  });

  describe("nobody is taken for a caller that is known:", () => {
    let secret: string;
    let tenant: string;
    beforeAll(async () => {
      ({ secret, tenant } = await issueKnown({ scopes: ["latchkey:introspect"] }));
    });
    const known = () => ({ authorization: `Bearer ${secret}` });

    test("with a secret that is nearly the same", async () => {
      expect(await post(known())).toBe("ok");
      const swapped = secret.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
      for (const other of [`${secret}a`, secret.slice(0, -1), swapped, secret.toUpperCase(), `${secret},${secret}`]) {
        expect(await post({ authorization: `Bearer ${other}` })).toBe("unauthenticated CREDENTIALS_INVALID");
      }
    });

    test("under the scheme of another kind, or none", async () => {
      expect(await post(known())).toBe("ok");
      for (const header of [`Badge ${secret}`, secret, `Basic ${secret}`, `Bearer Bearer ${secret}`]) {
        expect(await post({ authorization: header })).toBe("unauthenticated CREDENTIALS_INVALID");
      }
    });

    test("in another tenant", async () => {
      expect(await post({ ...known(), [HEADER]: tenant })).toBe("ok");
      const beyond = "permission_denied OWNER_BEYOND_CALLER";
      expect(await post({ ...known(), [HEADER]: world.name("tenant") })).toBe(beyond);
      expect(await post({ ...known(), [HEADER]: "" })).toBe("invalid_argument INVALID_REQUEST");
      expect(await post(known())).toBe("ok");
    });

    test("with permissions for more than its token has", async () => {
      expect(await post(known())).toBe("ok");
      expect(await post(known(), "List", {})).toBe("permission_denied PERMISSION_DENIED");
    });
  });

  test("a caller with latchkey:root acts in the tenant that each call names, and in none that another has named", async () => {
    const { secret } = await world.issue({ tenant: "default", subject: "robot", scopes: ["latchkey:root"] });
    const tenants = [world.name("tenant"), world.name("tenant")];
    const tokens = await Promise.all(tenants.map((tenant) => world.issue({ tenant, subject: "ada" })));
    for (const tenant of [...tenants, ...tenants]) {
      const headers = { authorization: `Bearer ${secret}`, [HEADER]: tenant };
      for (const token of tokens) {
        const { text } = await world.post("Introspect", JSON.stringify({ secret: token.secret }), headers);
        expect(JSON.parse(text).active ?? false).toBe(token.tenant === tenant);
      }
    }
  });

  test("a refusal is not remembered: a token that is switched on again is good at once", async () => {
    const { id, call } = await issueKnown();
    for (let round = 0; round < 5; round++) {
      await world.connect().setActive({ token: byId(id), active: false });
      expect(await refusalOf(call())).toBe(REFUSED);
      await world.connect().setActive({ token: byId(id), active: true });
      await call();
    }
  });

  test("verdicts are not remembered, whoever asks and however often", async () => {
    const asking = await issueKnown();
    const { id, secret } = await world.issue({ ...owner(), tenant: asking.tenant, scopes: ["a"] });
    const judge = (question = {}) => world.judge(secret, question, asking.secret);
    expect([await judge(), await judge({ scopes: ["a"] }), await judge({ scopes: ["b"] })]).toEqual([
      "ACTIVE",
      "ACTIVE",
      "SCOPE",
    ]);
    expect([await judge({ kinds: ["access"] }), await judge({ audience: "x" }), await judge()]).toEqual([
      "KIND",
      "ACTIVE",
      "ACTIVE",
    ]);
    await world.connect().setActive({ token: byId(id), active: false });
    expect(await judge()).toBe("INACTIVE");
  });

  test("the root token is good, and what looks like it is not", async () => {
    for (const [token, outcome] of [
      [ROOT_TOKEN, "ok"],
      [`${ROOT_TOKEN}0`, "unauthenticated CREDENTIALS_INVALID"],
      [ROOT_TOKEN, "ok"],
    ]) {
      expect(await post({ authorization: `Bearer ${token}` })).toBe(outcome);
    }
  });
}, variables);
