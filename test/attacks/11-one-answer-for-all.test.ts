import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, type MockInstance, test, vi } from "vitest";
import { encodeBase62, randomBase62 } from "../../src/domain/base62.ts";
import { onEachStore } from "./world.ts";

/** A secret of the right form, for the same id unless another one is named. */
function forge(secret: string, id = idIn(secret)): string {
  const body = secret.slice(0, -65) + id + randomBase62(40);
  return body + encodeBase62(crc32(body), 6);
}

function idIn(secret: string): string {
  return secret.slice(-65, -46);
}

onEachStore((world) => {
  const secrets = new Map<string, string>();

  beforeAll(async () => {
    const owner = { tenant: "theirs", subject: "ada", scopes: ["latchkey:self"] };
    const gone = await world.issue(owner);
    await world.connect().delete({ token: { case: "id", value: gone.id } });
    const expired = await world.issue({ ...owner, lifetime: { case: "ttl", value: { nanos: 1_000_000 } } });
    const good = await world.issue(owner);
    secrets.set("a deleted token", gone.secret);
    secrets.set("a token that never was", forge(gone.secret, gone.id.slice(0, 3) + randomBase62(16)));
    secrets.set("a wrong secret", forge(good.secret));
    secrets.set("an expired token", expired.secret);
    secrets.set("a wrong secret of an expired token", forge(expired.secret));
    secrets.set("an inactive token", (await world.issue({ ...owner, inactive: true })).secret);
    secrets.set("a one-time token", (await world.issue({ ...owner, kind: "link" })).secret);
    secrets.set("a token for another audience", (await world.issue({ ...owner, audiences: ["orders"] })).secret);
    secrets.set("junk", "junk");
    secrets.set("a wrong checksum", `${good.secret.slice(0, -6)}000000`);
    secrets.set("a JWT of nobody", "e30.e30.e30");
  });

  test("every credential that is not good gets the same bytes, whatever it asks for", async () => {
    const known = (await world.issue({ tenant: "theirs", subject: "ada" })).id;
    const calls = [
      ["List", {}],
      ["Get", { id: known }],
      ["Get", { id: "0000000000000000000" }],
      ["Introspect", { secret: secrets.get("an inactive token") }],
      ["Create", { kind: "no such kind" }],
    ] as const;
    const answers = calls.flatMap(([method, body]) =>
      [...secrets.values()].flatMap((secret) =>
        ["Bearer", "Token", "Nonsense"].map((scheme) =>
          world.post(method, JSON.stringify(body), { authorization: `${scheme} ${secret}` }),
        ),
      ),
    );
    const distinct = new Set((await Promise.all(answers)).map((answer) => JSON.stringify(answer)));
    expect(distinct.size).toBe(1);
    expect([...distinct][0]).toContain("CREDENTIALS_INVALID");
    expect([...distinct][0]).toContain('"status":401');
  });

  test("to a service, unknown, wrong and foreign secrets are one and the same", async () => {
    const caller = await world.issue({ tenant: "ours", subject: "orders", scopes: ["latchkey:introspect"] });
    const ask = (secret: string) =>
      world.post("Introspect", JSON.stringify({ secret }), { authorization: `Bearer ${caller.secret}` });
    const opaque = [...secrets].filter(([what]) => !/junk|checksum|JWT/.test(what)).map(([, secret]) => secret);
    const distinct = new Set((await Promise.all(opaque.map(ask))).map((answer) => JSON.stringify(answer)));
    expect([...distinct]).toEqual([expect.stringContaining("INACTIVE_REASON_UNKNOWN")]);
  });

  // Time itself is too noisy to be tested; that the same work is done is not.
  describe("costs one store access, the same HMACs and one comparison in constant time", () => {
    let hmac: MockInstance;
    let hash: MockInstance;
    let compare: MockInstance;
    let wanted = "";
    let reads = 0;
    let seen = (_mark: string): Promise<void> => Promise.resolve();
    let stopListening = () => {};

    beforeAll(async () => {
      hmac = vi.spyOn(crypto, "createHmac");
      hash = vi.spyOn(crypto, "hash");
      compare = vi.spyOn(crypto, "timingSafeEqual");
      syncBuiltinESMExports();
      if (!world.redis) {
        const get = StatementSync.prototype.get;
        vi.spyOn(StatementSync.prototype, "get").mockImplementation(function (this: StatementSync, ...values) {
          if (JSON.stringify(values).includes(wanted)) reads++;
          return get.apply(this, values);
        });
        return;
      }
      const monitor = await world.redis.admin.monitor();
      stopListening = () => monitor.disconnect();
      monitor.on("monitor", (_time: string, [name, key]: string[]) => {
        if (/^m?get/i.test(name ?? "") && key?.includes(wanted)) reads++;
        if (name === "echo") monitor.emit(`seen ${key}`);
      });
      seen = (mark) => new Promise((resolve) => monitor.once(`seen ${mark}`, () => resolve()));
    });
    afterAll(() => {
      stopListening();
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });

    /** What a call costs in the service, by which time MONITOR has told all of it. */
    async function costOf(secret: string, call: () => Promise<unknown>) {
      const settle = async () => {
        const mark = randomBase62(8);
        const told = seen(mark);
        await world.redis?.admin.echo(mark);
        await told;
      };
      await settle();
      wanted = idIn(secret);
      reads = 0;
      for (const spy of [hmac, hash, compare]) spy.mockClear();
      await call();
      // Where it is not made of Node's own object, an HMAC is two hashes of bytes; the root token's is one of a text.
      const hashes = hash.mock.calls.filter(([, input]) => typeof input !== "string").length;
      const hmacs = hmac.mock.calls.length + hashes / 2;
      const cost = { hmacs, comparisons: compare.mock.calls.length };
      await settle();
      return { ...cost, reads };
    }

    const WRONG = ["a deleted token", "a token that never was", "a wrong secret", "a wrong secret of an expired token"];
    const RIGHT = ["an expired token", "an inactive token", "a token for another audience"];

    async function costOfIntrospecting(what: string) {
      const secret = secrets.get(what) as string;
      return costOf(secret, () => world.post("Introspect", JSON.stringify({ secret })));
    }

    // One comparison is that of the root token, which asks; the second HMAC tells whether a secret was good once.
    test.each(WRONG)("to introspect %s", async (what) => {
      expect(await costOfIntrospecting(what)).toEqual({ hmacs: 2, comparisons: 3, reads: 1 });
    });

    test.each(RIGHT)("to introspect %s, by the right secret", async (what) => {
      expect(await costOfIntrospecting(what)).toEqual({ hmacs: 1, comparisons: 2, reads: 1 });
    });

    test("to introspect another tenant's token by the right secret, as to introspect an unknown one", async () => {
      const caller = await world.issue({ tenant: "ours", subject: "orders", scopes: ["latchkey:introspect"] });
      const ask = (what: string) => {
        const secret = secrets.get(what) as string;
        const headers = { authorization: `Bearer ${caller.secret}` };
        return costOf(secret, () => world.post("Introspect", JSON.stringify({ secret }), headers));
      };
      // From the second call on the caller is remembered.
      await ask("a token that never was");
      const unknown = await ask("a token that never was");
      expect(unknown.hmacs).toBe(2);
      for (const what of ["an inactive token", "a token for another audience"])
        expect(await ask(what)).toEqual(unknown);
    });

    test.each([...WRONG, ...RIGHT, "a one-time token"])("to turn away a caller with %s", async (what) => {
      const secret = secrets.get(what) as string;
      // The second comparison is that with the root token, which it might be.
      const cost = await costOf(secret, () => world.post("List", "{}", { authorization: `Bearer ${secret}` }));
      expect(cost).toEqual({ hmacs: 1, comparisons: 2, reads: 1 });
    });

    test("nor does a wrong root token end the comparison early", async () => {
      const call = () => world.post("List", "{}", { authorization: "Bearer the-root-token-of" });
      const cost = await costOf(secrets.get("a wrong secret") as string, call);
      expect(cost).toEqual({ hmacs: 0, comparisons: 1, reads: 0 });
    });
  });
});
