import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { encode, expectWorthless, type Genuine, issueJwt, type PublicKey, publishedKeys } from "./jwts.ts";
import { onEachStore } from "./world.ts";

const own = generateKeyPairSync("ed25519");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwkOf = (key: KeyObject, kid: string) => ({ ...key.export({ format: "jwk" }), kid });

const folder = mkdtempSync(join(tmpdir(), "latchkey-jwt-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Keys with two systems whose JWTs were imported, one by a shared secret and one by a public key. */
function writeKeys(): string {
  const path = join(folder, "keys.json");
  const secret = (byte: number) => Buffer.alloc(32, byte).toString("base64");
  const imported = [
    { name: "shared", type: "jwt", issuer: "shared", algorithm: "HS256", secret: secret(2) },
    { name: "signed", type: "jwt", issuer: "signed", algorithm: "RS256", jwks: { keys: [jwkOf(rsa.publicKey, "rs")] } },
  ];
  writeFileSync(path, JSON.stringify({ keys: [{ version: 1, secret: secret(1) }], imported }));
  return path;
}

function pemOf(jwk: object): string {
  return createPublicKey({ key: jwk as never, format: "jwk" }).export({ type: "spki", format: "pem" }) as string;
}

function derOf(jwk: object): Buffer {
  return createPublicKey({ key: jwk as never, format: "jwk" }).export({ type: "spki", format: "der" });
}

/** What a careless verifier might take the public key for, as a shared secret. */
function secretsFrom(jwk: PublicKey): [string, string | Buffer][] {
  return [
    ["PEM", pemOf(jwk)],
    ["PEM without its last line end", pemOf(jwk).trimEnd()],
    ["DER", derOf(jwk)],
    ["JWK", JSON.stringify(jwk)],
    ["x", jwk.x],
    ["bytes of x", Buffer.from(jwk.x, "base64url")],
    ["kid", jwk.kid],
    ["nothing at all", ""],
    ["a zero", Buffer.alloc(1)],
  ];
}

const withHmac = (unsigned: string, secret: string | Buffer, hash = "sha256") =>
  `${unsigned}.${createHmac(hash, secret).update(unsigned).digest("base64url")}`;
const withOwnKey = (unsigned: string) =>
  `${unsigned}.${sign(null, Buffer.from(unsigned), own.privateKey).toString("base64url")}`;
const headed = ({ header, claims }: Genuine, changes: object) =>
  `${encode({ ...header, ...changes })}.${encode(claims)}`;

onEachStore(
  (world) => {
    test("the genuine JWT is good, here and as a credential: else nothing below would mean anything", async () => {
      const { jwt, claims } = await issueJwt(world);
      expect(await world.judge(jwt)).toBe("ACTIVE");
      const { tokens } = await world.connect(jwt).list({});
      expect(tokens.map(({ id }) => id)).toContain(claims.jti);
    });

    describe("no signature counts for one:", () => {
      test.each(["none", "None", "NONE", "nOnE", "", null])("algorithm %j", async (alg) => {
        const genuine = await issueJwt(world);
        const unsigned = headed(genuine, { alg });
        await expectWorthless(world, `${unsigned}.`, "MALFORMED");
        await expectWorthless(world, unsigned, "MALFORMED");
        for (const signature of [genuine.signature, "AA"]) {
          await expectWorthless(world, `${unsigned}.${signature}`, "SIGNATURE");
        }
        expect(await world.judge(genuine.jwt)).toBe("ACTIVE");
      });

      test("one of zeros, in either algorithm (CVE-2022-21449)", async () => {
        const genuine = await issueJwt(world);
        const zeros = "A".repeat(86);
        await expectWorthless(world, `${genuine.unsigned}.${zeros}`, "SIGNATURE");
        for (const { kid, alg } of await publishedKeys(world)) {
          await expectWorthless(world, `${headed(genuine, { kid, alg })}.${zeros}`, "SIGNATURE");
        }
      });
    });

    test("no public key is taken for a shared secret, whatever is made of it, nor is nothing", async () => {
      const genuine = await issueJwt(world);
      for (const jwk of await publishedKeys(world)) {
        for (const [, secret] of secretsFrom(jwk)) {
          const unsigned = headed(genuine, { alg: "HS256", kid: jwk.kid });
          await expectWorthless(world, withHmac(unsigned, secret), "SIGNATURE");
        }
        const unsigned = headed(genuine, { alg: "HS512", kid: jwk.kid });
        await expectWorthless(world, withHmac(unsigned, pemOf(jwk), "sha512"), "SIGNATURE");
      }
      const nameless = headed(genuine, { alg: "HS256", kid: undefined });
      await expectWorthless(world, withHmac(nameless, pemOf(genuine.jwk)), "UNKNOWN");
      await world.expectServing();
    });

    test("no key is used with another algorithm than its own, or under another's id", async () => {
      const genuine = await issueJwt(world);
      const keys = await publishedKeys(world);
      const other = keys.find(({ alg }) => alg === "ES256") as PublicKey;
      expect(keys.map(({ alg }) => alg)).toEqual(["EdDSA", "ES256"]);
      const algorithms = ["ES256", "Ed25519", "eddsa", "RS256", "PS256", "ES256K", ["EdDSA"], { EdDSA: 1 }, 1];
      for (const alg of algorithms) {
        await expectWorthless(world, `${headed(genuine, { alg })}.${genuine.signature}`, "SIGNATURE");
      }
      for (const changes of [{ kid: other.kid }, { kid: other.kid, alg: "ES256" }]) {
        await expectWorthless(world, `${headed(genuine, changes)}.${genuine.signature}`, "SIGNATURE");
      }
    });

    test.each([
      "unknown",
      "",
      "../../../../../../dev/null",
      "/proc/sys/kernel/randomize_va_space",
      "x' UNION SELECT 'AA' --",
      "1; cat /etc/passwd",
      "lk:keys",
      "\0",
      "http://127.0.0.1/keys",
      "__proto__",
      "constructor",
      0,
      1,
      true,
      null,
      {},
      [],
    ])("no key is made up for the key id %j", async (kid) => {
      const genuine = await issueJwt(world);
      for (const alg of ["EdDSA", "HS256"]) {
        const unsigned = headed(genuine, { kid, alg });
        await expectWorthless(world, alg === "HS256" ? withHmac(unsigned, "") : withOwnKey(unsigned), "UNKNOWN");
      }
    });

    test("no key is taken out of the JWT, or fetched from where it says", async () => {
      let visits = 0;
      const server = createServer((_, response) => {
        visits++;
        response.end(JSON.stringify({ keys: [jwkOf(own.publicKey, "own")] }));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => void server.close());
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
      const genuine = await issueJwt(world);
      const der = own.publicKey.export({ type: "spki", format: "der" }).toString("base64");
      for (const brought of [{ jwk: jwkOf(own.publicKey, "own") }, { jku: url }, { x5u: url }, { x5c: [der] }]) {
        await expectWorthless(world, withOwnKey(headed(genuine, brought)), "SIGNATURE");
        await expectWorthless(world, withOwnKey(headed(genuine, { ...brought, kid: "own" })), "UNKNOWN");
        await expectWorthless(world, withOwnKey(headed(genuine, { ...brought, kid: undefined })), "UNKNOWN");
        await expectWorthless(
          world,
          withOwnKey(headed(genuine, { ...brought, crit: Object.keys(brought) })),
          "SIGNATURE",
        );
      }
      expect(visits).toBe(0);
      await world.expectServing();
    });

    test("no claim can be changed: not the id, the subject or the scopes", async () => {
      const genuine = await issueJwt(world);
      const { id } = await world.issue({ subject: "root", scopes: ["latchkey:root"] });
      const changes = [{ jti: id }, { sub: "root" }, { scope: "latchkey:root" }, { exp: 9e9 }, { jti: "../../x" }];
      for (const change of changes) {
        const text = `${encode(genuine.header)}.${encode({ ...genuine.claims, ...change })}.${genuine.signature}`;
        await expectWorthless(world, text, "SIGNATURE");
      }
    });

    test("no imported system's JWT is taken on another algorithm, key or word than its own", async () => {
      const { claims } = await issueJwt(world);
      const forge = (iss: string, alg: string, secret: string | Buffer) =>
        withHmac(`${encode({ alg, kid: "rs" })}.${encode({ ...claims, iss })}`, secret);
      const pem = rsa.publicKey.export({ type: "spki", format: "pem" });
      for (const secret of [pem, pem.toString().trimEnd(), ""]) {
        await expectWorthless(world, forge("signed", "HS256", secret), "SIGNATURE");
        await expectWorthless(world, forge("shared", "HS256", secret), "SIGNATURE");
      }
      await expectWorthless(
        world,
        `${encode({ alg: "none" })}.${encode({ ...claims, iss: "shared" })}.AA`,
        "SIGNATURE",
      );
      // A good signature of the old system over an id of ours makes it no token of ours.
      await expectWorthless(world, forge("shared", "HS256", Buffer.alloc(32, 2)), "UNKNOWN");
      await expectWorthless(world, forge("latchkey", "HS256", Buffer.alloc(32, 2)), "UNKNOWN");
      await world.expectServing();
    });
  },
  () => ({ LATCHKEY_KEYS: writeKeys() }),
);
