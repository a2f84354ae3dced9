import { createHmac, createPublicKey, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { CompactEncrypt, CompactSign } from "jose";
import { describe, expect, test } from "vitest";
import { createDigestSource, createJwtSource, type JwtSettings, MAX_JTI } from "../../src/domain/imported.ts";

const TEXT = "s3cret-töken";
const KEY = Buffer.alloc(32, 7);

describe("a digest source recognises a text by its digest in lower-case hex:", () => {
  // By Python's hashlib and hmac.
  test.each([
    ["sha256", undefined, "710fa84022a274c6a9973676db8459f1aade20b179f73f0a82715bfdfe29441b"],
    [
      "sha512",
      undefined,
      "c93c91abee63d22e44a9df0f555de2abe3102fd0ae4c421f24db84145b3aea270d887e35fe3082ce22b2eac75444cd08e8d78c242d6d7e875bb59e640403ec37",
    ],
    ["hmac-sha256", KEY, "7fa62feb2852d481c38e11715e8cd8d3d2b6e6bab721dc8f09372fd03eb1d9b6"],
    [
      "hmac-sha512",
      KEY,
      "9256228090db460770cbfd2489f4a4111139d0735052943495c04bdaaa16205eca6fe19f4666023abec510232f142265e9c97ec62afa5471e4cf9bfed62647e9",
    ],
    ["blake2b-256", undefined, "838e7e34861ff3b31a7aca95e8afe37668ea56c58d0f463fe35a355231fbba5b"],
    [
      "blake2b-512",
      undefined,
      "733c5c2d048757995320028d2f890f5dc07b2614175fb80e722e302d8ec6f047a4cd014eb9863305818d686d2a10bea02e5e6b172562ff90f5d98865f30bb99a",
    ],
    ["blake2b-256", KEY, "e8858c737c2deed103f0bb9704ca6fd0509f511547143d6b1620834c107ff059"],
    [
      "blake2b-512",
      KEY,
      "eae58641c7c88beb976a651756c0f70b9a78579a0c18c092bd206c1d0db061a349296e859fc3131f15517cdd1a32d81aab92bd53533fbd58c8dec869447484f4",
    ],
  ] as const)("%s, key %s", async (algorithm, secret, material) => {
    const source = createDigestSource({ name: "old", algorithm, secret });
    expect(source.name).toBe("old");
    expect(await source.recognize(TEXT)).toEqual({ material });
  });

  test("up to 8 KiB of it", async () => {
    const source = createDigestSource({ name: "old", algorithm: "sha256", secret: undefined });
    expect(await source.recognize("a".repeat(8192))).toBeDefined();
    expect(await source.recognize("a".repeat(8193))).toBeUndefined();
    expect(await source.recognize("ä".repeat(4097))).toBeUndefined();
  });
});

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync("ed25519").privateKey;
const curve = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).privateKey;
const shared = createSecretKey(KEY);
const publicOf = (key: KeyObject) => (key.type === "secret" ? key : createPublicKey(key));
const claims = { iss: "https://old.example", sub: "ada", jti: "token-1" };

const SIGNERS: [string, KeyObject, KeyObject][] = [
  ...["HS256", "HS384", "HS512"].map((alg) => [alg, shared, createSecretKey(Buffer.alloc(32, 8))]),
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((alg) => [
    alg,
    rsa,
    generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  ]),
  ["ES256", curve("P-256"), curve("P-256")],
  ["ES384", curve("P-384"), curve("P-384")],
  ["ES512", curve("P-521"), curve("P-521")],
  ["EdDSA", ed25519, generateKeyPairSync("ed25519").privateKey],
  ["Ed25519", ed25519, generateKeyPairSync("ed25519").privateKey],
] as [string, KeyObject, KeyObject][];

function sign(alg: string, key: KeyObject, payload: object = claims, header: object = {}): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader({ alg, ...header }).sign(key);
}

function sourceOf(changes: Partial<JwtSettings> = {}) {
  const keys = [{ kid: undefined, key: publicOf(ed25519) }];
  return createJwtSource({ name: "old", issuer: claims.iss, algorithm: "EdDSA", keys, ...changes });
}

describe("a JWT source recognises a JWT by its jti:", () => {
  test.each(SIGNERS)("%s", async (algorithm, key, stranger) => {
    const source = sourceOf({ algorithm, keys: [{ kid: undefined, key: publicOf(key) }] });
    expect(source.name).toBe("old");
    expect(await source.recognize(await sign(algorithm, key))).toEqual({ material: "token-1" });
    expect(await source.recognize(await sign(algorithm, stranger))).toBe("SIGNATURE");
  });

  test("expired or not, of whatever type, for the record decides", async () => {
    const jwt = await sign("EdDSA", ed25519, { ...claims, exp: 1, nbf: 9e9 }, { typ: "anything" });
    expect(await sourceOf().recognize(jwt)).toEqual({ material: "token-1" });
  });

  test("by any of its keys, or the one that it names", async () => {
    const other = generateKeyPairSync("ed25519").privateKey;
    const named = [
      { kid: "one", key: publicOf(other) },
      { kid: "two", key: publicOf(ed25519) },
    ];
    const source = sourceOf({ keys: named });
    for (const header of [{}, { kid: "two" }]) {
      expect(await source.recognize(await sign("EdDSA", ed25519, claims, header))).toEqual({ material: "token-1" });
    }
    for (const kid of ["one", "three", 2, "__proto__"]) {
      expect(await source.recognize(await sign("EdDSA", ed25519, claims, { kid }))).toBe("SIGNATURE");
    }
    const nameless = sourceOf({ keys: named.map(({ key }) => ({ kid: undefined, key })) });
    expect(await nameless.recognize(await sign("EdDSA", ed25519, claims, { kid: "three" }))).toEqual({
      material: "token-1",
    });
  });

  test("only as it stands there, as a text of 1 to 1,024 characters", async () => {
    const recognize = async (jti: unknown) => sourceOf().recognize(await sign("EdDSA", ed25519, { ...claims, jti }));
    expect(MAX_JTI).toBe(1024);
    expect(await recognize("j".repeat(1024))).toEqual({ material: "j".repeat(1024) });
    expect(await recognize(" ")).toEqual({ material: " " });
    for (const jti of [undefined, null, "", 1, ["token-1"], { toString: "token-1" }, "j".repeat(1025)]) {
      expect(await recognize(jti), JSON.stringify(jti)).toBeUndefined();
    }
  });
});

describe("a JWT source tells its own from others'", () => {
  test("by the issuer, to the letter", async () => {
    for (const iss of [undefined, "", "https://old.example/", "https://OLD.example", ["https://old.example"]]) {
      expect(await sourceOf().recognize(await sign("EdDSA", ed25519, { ...claims, iss }))).toBeUndefined();
    }
  });

  test("by its keys alone where it has no issuer", async () => {
    const source = sourceOf({ issuer: undefined, keys: [{ kid: "one", key: publicOf(ed25519) }] });
    const stranger = generateKeyPairSync("ed25519").privateKey;
    for (const iss of [undefined, "https://else.example"]) {
      const payload = { ...claims, iss };
      expect(await source.recognize(await sign("EdDSA", ed25519, payload))).toEqual({ material: "token-1" });
      expect(await source.recognize(await sign("EdDSA", stranger, payload))).toBeUndefined();
      expect(await source.recognize(await sign("EdDSA", stranger, payload, { kid: "two" }))).toBeUndefined();
      expect(await source.recognize(await sign("EdDSA", stranger, payload, { kid: "one" }))).toBe("SIGNATURE");
    }
  });
});

describe("a JWT source does not take", () => {
  const rs256 = sourceOf({ algorithm: "RS256", keys: [{ kid: undefined, key: publicOf(rsa) }] });
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

  test.each([
    ["the PEM", createPublicKey(rsa).export({ type: "spki", format: "pem" })],
    ["the DER", createPublicKey(rsa).export({ type: "spki", format: "der" })],
    ["nothing", ""],
  ])("%s of its public key for a shared secret", async (_, secret) => {
    const text = `${encode({ alg: "HS256" })}.${encode(claims)}`;
    const forged = `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
    expect(await rs256.recognize(forged)).toBe("SIGNATURE");
    expect(await sourceOf({ algorithm: "HS256", keys: [{ kid: undefined, key: shared }] }).recognize(forged)).toBe(
      "SIGNATURE",
    );
  });

  test("another algorithm than its own, though the key would fit", async () => {
    for (const alg of ["RS384", "PS256"]) expect(await rs256.recognize(await sign(alg, rsa))).toBe("SIGNATURE");
    const hs256 = sourceOf({ algorithm: "HS256", keys: [{ kid: undefined, key: shared }] });
    expect(await hs256.recognize(await sign("HS512", shared))).toBe("SIGNATURE");
  });

  test.each(["none", "None", "nOnE"])("the algorithm %s", async (alg) => {
    const text = `${encode({ alg })}.${encode(claims)}`;
    expect(await rs256.recognize(`${text}.`)).toBeUndefined();
    expect(await rs256.recognize(`${text}.AAAA`)).toBe("SIGNATURE");
  });

  test("a key that the JWT brings itself, or an extension that must be understood", async () => {
    const stranger = generateKeyPairSync("ed25519").privateKey;
    const jwk = createPublicKey(stranger).export({ format: "jwk" });
    expect(await sourceOf().recognize(await sign("EdDSA", stranger, claims, { jwk }))).toBe("SIGNATURE");
    const plain = await sign("EdDSA", ed25519, claims, { b64: true, crit: ["b64"] });
    expect(await sourceOf().recognize(plain)).toBe("SIGNATURE");
  });

  test("what is no JWT of a size to be read", async () => {
    const jwe = await new CompactEncrypt(Buffer.from(await sign("RS256", rsa)))
      .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM" })
      .encrypt(createPublicKey(rsa));
    const good = await sign("EdDSA", ed25519);
    const big = await sign("EdDSA", ed25519, { ...claims, filler: "x".repeat(6200) });
    const list = `${encode({ alg: "EdDSA" })}.${encode([claims])}.AAAA`;
    for (const text of [jwe, big, list, "", ".".repeat(8000), "opaque", ` ${good}`, `${good}=`, `${good}.`]) {
      expect(await sourceOf().recognize(text), text.slice(0, 50)).toBeUndefined();
    }
    expect(await sourceOf().recognize(good)).toEqual({ material: "token-1" });
  });
});
