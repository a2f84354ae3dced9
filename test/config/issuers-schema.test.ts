import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { issuersSchema } from "../../src/config/issuers-schema.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const shortRsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
const keySetOf = (key: unknown) => ({ keys: [key] });

const issuer = {
  issuer: "https://login.example",
  audiences: ["latchkey"],
  jwks: keySetOf(publicKey.export({ format: "jwk" })),
  tenant: "acme",
};

function faultsOf(changes: Record<string, unknown>): string[] {
  const { error } = issuersSchema.safeParse({ issuers: [{ ...issuer, ...changes }] });
  return (error?.issues ?? []).map(({ path, message }) => `${path.slice(2).join(".")}: ${message}`);
}

test("an issuer needs no more than a name, an audience, keys and a tenant", () => {
  expect(faultsOf({})).toEqual([]);
});

test.each<[string, Record<string, unknown>, string]>([
  ["two sources of keys", { jwks_file: "x" }, ": needs exactly one of jwks, jwks_file and jwks_url"],
  ["two tenants", { tenant_claim: "org" }, ": needs exactly one of tenant and tenant_claim"],
  ["an audience of nothing", { audiences: [] }, "audiences: must name an audience"],
  ["an empty audience", { audiences: [""] }, "audiences.0: must not be empty"],
  ["an algorithm of nothing", { algorithms: [] }, "algorithms: must name an algorithm"],
  ["a tolerance of an hour", { clock_tolerance: "1h" }, "clock_tolerance: must be at most 10 minutes"],
  ["a tenant with a space", { tenant: "a b" }, "tenant: must be neither empty nor hold spaces or control characters"],
  ["a tenant that is too long", { tenant: "é".repeat(65) }, "tenant: must have at most 128 bytes"],
  ["no keys", { jwks: { keys: [] } }, "jwks.keys: must hold a key"],
  ["a shared secret", { jwks: keySetOf({ kty: "oct", k: "AA" }) }, "jwks.keys.0.kty: must be RSA, EC or OKP"],
  ["a key that is none", { jwks: keySetOf({ kty: "OKP", crv: "Ed25519", x: "AA" }) }, "jwks.keys.0: is not a key"],
  [
    "a private key",
    { jwks: keySetOf(privateKey.export({ format: "jwk" })) },
    "jwks.keys.0: is a private key: only its public part belongs here",
  ],
  ["a weak key", { jwks: keySetOf(shortRsa.export({ format: "jwk" })) }, "jwks.keys.0: must have at least 2048 bits"],
  ["an empty path to a claim", { subject_claim: [] }, "subject_claim: must not be empty"],
  [
    "a claim that is a number",
    { subject_claim: 1 },
    "subject_claim: must be the name of a claim, or a list of names that leads to it",
  ],
  ["a scope with a space", { allowed_scopes: ["a b"] }, "allowed_scopes.0: must be a scope (RFC 6749, section 3.3)"],
])("an issuer is refused with %s", (_, changes, fault) => {
  expect(faultsOf(changes)).toEqual([fault]);
});

test.each(["x-app-id", "X-App-Id", "tenant"])("the tenant may stand in the header %s", (name) => {
  expect(issuersSchema.parse({ tenant_header: name })).toMatchObject({ tenant_header: name.toLowerCase() });
});

const form = "must be the name of a header: letters, digits and -, 64 at most";
const taken = "is a header that means something else";
test.each([
  ["", form],
  ["x app", form],
  ["x_app", form],
  [":path", form],
  ["-x", form],
  ["x-é", form],
  [`x${"a".repeat(64)}`, form],
  ...["Authorization", "Cookie", "Host", "Origin", "Content-Type", "grpc-timeout", "Connect-Protocol-Version"].map(
    (name): [string, string] => [name, taken],
  ),
  ...["X-Forwarded-For", "proxy-authorization", "TE", "tenant-bin", "x-user-agent", "if-match"].map(
    (name): [string, string] => [name, taken],
  ),
])("the tenant can't stand in the header %j", (name, fault) => {
  expect(issuersSchema.safeParse({ tenant_header: name }).error?.issues).toMatchObject([
    { path: ["tenant_header"], message: fault },
  ]);
});

test.each(["http://localhost:8080/jwks", "http://127.0.0.1/jwks", "http://[::1]:1/jwks", "https://login.example/jwks"])(
  "keys may come from %s",
  (url) => {
    expect(faultsOf({ jwks: undefined, jwks_url: url })).toEqual([]);
  },
);

test.each([
  "http://login.example/jwks",
  "http://localhost.evil.example/",
  "http://127.0.0.1.evil.example/",
  "https://me:s3cret@login.example/",
  "file:///etc/passwd",
  "jwks.json",
])("keys may not come from %s", (url) => {
  expect(faultsOf({ jwks: undefined, jwks_url: url })).toEqual([
    "jwks_url: must be an https address (http only on this machine), without user and password",
  ]);
});

test("values of any types are read or refused, never a crash", () => {
  const fields = [...Object.keys(issuer), "jwks_url", "scope_claim", "scope_mapping", "default_scopes", "match"];
  const entry = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()));
  const lists = fc.record({ issuers: fc.oneof(fc.jsonValue(), fc.array(entry)), certificates: fc.array(entry) });
  fc.assert(
    fc.property(lists, (content) => {
      expect(() => issuersSchema.safeParse(content)).not.toThrow();
    }),
  );
});
