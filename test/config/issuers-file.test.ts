import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/auth/issuers.ts";
import { ConfigError } from "../../src/config/config-error.ts";
import { readIssuersFile } from "../../src/config/issuers-file.ts";

const folder = mkdtempSync(join(tmpdir(), "latchkey-"));
const file = join(folder, "issuers.yaml");
afterAll(() => rmSync(folder, { recursive: true }));

const { publicKey } = generateKeyPairSync("ed25519");
const jwk = { ...publicKey.export({ format: "jwk" }), kid: "one" };
const jwks = JSON.stringify({ keys: [jwk] });

function read(text: string) {
  writeFileSync(file, text);
  return readIssuersFile(file);
}

function faultsOf(text: string): string[] {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((fault) => fault.replace(`${folder}/`, ""));
    throw error;
  }
  throw new Error("was accepted");
}

/** An issuers file with one issuer, in which these lines are added or replace those of the same field. */
function issuerWith(lines: Record<string, string>): string {
  const fields = { issuer: "https://login.example", audiences: "[latchkey]", jwks, tenant: "acme", ...lines };
  const body = Object.entries(fields).filter(([, value]) => value !== "");
  return `issuers:\n  -\n${body.map(([name, value]) => `    ${name}: ${value}\n`).join("")}`;
}

describe("an issuer", () => {
  test("that says no more than it must grants its users nothing but latchkey:self, and that only if its JWTs say so", () => {
    expect(read(issuerWith({}))).toEqual({
      tenantHeader: undefined,
      issuers: [
        {
          issuer: "https://login.example",
          audiences: ["latchkey"],
          algorithms: [...ALGORITHMS],
          keys: { keys: { keys: [jwk] } },
          clockTolerance: 30_000,
          claims: {
            subject: ["sub"],
            tenant: { value: "acme" },
            scopes: ["scope"],
            scopeTable: undefined,
            defaultScopes: [],
            allowedScopes: new Set(["latchkey:self"]),
          },
        },
      ],
      certificates: [],
    });
  });

  test("can say everything", () => {
    const text = `
issuers:
  - issuer: https://login.example
    audiences: [latchkey, photos]
    algorithms: [RS256]
    clock_tolerance: 5 minutes
    jwks_url: https://login.example/jwks.json
    jwks_timeout: 1s
    jwks_cooldown: 1m
    jwks_max_age: 1h
    tenant_claim: https://example.com/org
    subject_claim: email
    scope_claim: [realm_access, roles]
    scope_mapping:
      staff: [latchkey:self, photos:read]
      owner: [latchkey:admin]
    default_scopes: [latchkey:self]
    allowed_scopes: [latchkey:self, latchkey:admin, photos:read]
`;
    expect(read(text).issuers).toEqual([
      {
        issuer: "https://login.example",
        audiences: ["latchkey", "photos"],
        algorithms: ["RS256"],
        keys: { url: new URL("https://login.example/jwks.json"), timeout: 1000, cooldown: 60_000, maxAge: 3_600_000 },
        clockTolerance: 300_000,
        claims: {
          subject: ["email"],
          tenant: { claim: ["https://example.com/org"] },
          scopes: ["realm_access", "roles"],
          scopeTable: new Map([
            ["staff", ["latchkey:self", "photos:read"]],
            ["owner", ["latchkey:admin"]],
          ]),
          defaultScopes: ["latchkey:self"],
          allowedScopes: new Set(["latchkey:self", "latchkey:admin", "photos:read"]),
        },
      },
    ]);
  });

  test("stands beside the header that names tenants", () => {
    const { tenantHeader, issuers } = read(`tenant_header: X-App-Id\n${issuerWith({})}`);
    expect([tenantHeader, issuers.length]).toEqual(["x-app-id", 1]);
    expect(faultsOf("tenant_header: [x-app-id]")).toEqual([
      "issuers.yaml:1: tenant_header: Invalid input: expected string, received array",
    ]);
  });

  test("keeps its keys in a file beside the issuers file", () => {
    mkdirSync(join(folder, "keys"));
    writeFileSync(join(folder, "keys", "login.json"), jwks);
    const [issuer] = read(issuerWith({ jwks: "", jwks_file: "keys/login.json" })).issuers;
    expect(issuer?.keys).toEqual({ keys: { keys: [jwk] } });
  });
});

describe("a file is refused", () => {
  test("with all of its faults at once, those between fields too", () => {
    const text = `issuers:
  - issuer: https://login.example
    audience: latchkey
    clock_tolerance: 30
    algorithms: [HS256]
    default_scopes: [latchkey:self, photos:read]
    scope_mapping:
      owner: [latchkey:admin]
certificates:
  - match: { cn: billing }
    tenant: acme
    scopes: [latchkey:everything]
`;
    expect(faultsOf(text)).toEqual([
      "issuers.yaml:2: issuers[0].audiences: is missing",
      "issuers.yaml:2: issuers[0]: needs exactly one of jwks, jwks_file and jwks_url",
      "issuers.yaml:2: issuers[0]: needs exactly one of tenant and tenant_claim",
      "issuers.yaml:3: issuers[0].audience: is not a known field",
      'issuers.yaml:4: issuers[0].clock_tolerance: must be a duration such as "15 minutes", "10h" or "90d"',
      `issuers.yaml:5: issuers[0].algorithms[0]: Invalid option: expected one of ${ALGORITHMS.map((name) => `"${name}"`).join("|")}`,
      "issuers.yaml:6: issuers[0].default_scopes: grants a scope that is not in allowed_scopes",
      "issuers.yaml:7: issuers[0].scope_mapping: grants a scope that is not in allowed_scopes",
      "issuers.yaml:10: certificates[0].match.cn: is not a known field",
      "issuers.yaml:10: certificates[0].match: needs common_name, san_uri or san_dns",
      "issuers.yaml:10: certificates[0].subject: is missing",
      "issuers.yaml:12: certificates[0].scopes[0]: is not a permission of Latchkey",
    ]);
  });

  test("with an issuer that is there twice, also if one of them has faults of its own", () => {
    expect(faultsOf(issuerWith({}) + issuerWith({ audiences: "latchkey" }).replace("issuers:\n", ""))).toEqual([
      "issuers.yaml:1: issuers: names an issuer twice",
      "issuers.yaml:9: issuers[1].audiences: Invalid input: expected array, received string",
    ]);
  });

  test("with the faults of all its key files at once", () => {
    writeFileSync(join(folder, "bad.json"), '{\n "keys": [{ "kty": "oct", "k": "s3cret" }]\n}');
    const missing = issuerWith({ jwks: "", jwks_file: "missing.json" });
    const bad = issuerWith({ issuer: "https://other.example", jwks: "", jwks_file: "bad.json" });
    expect(faultsOf(missing + bad.replace("issuers:\n", ""))).toEqual([
      "missing.json: can't be read (ENOENT)",
      "bad.json:2: keys[0].kty: must be RSA, EC or OKP",
    ]);
  });
});

describe("certificates", () => {
  test("stand for whom the file says", () => {
    const text = `certificates:
  - match: { common_name: billing }
    tenant: acme
    subject: billing
    scopes: [latchkey:introspect]
  - match: { san_uri: spiffe://acme/jobs, san_dns: jobs.acme.example }
    tenant: acme
    subject: jobs
    scopes: []
`;
    expect(read(text)).toEqual({
      tenantHeader: undefined,
      issuers: [],
      certificates: [
        {
          match: { commonName: "billing", sanUri: undefined, sanDns: undefined },
          identity: { tenant: "acme", subject: "billing", scopes: ["latchkey:introspect"] },
        },
        {
          match: { commonName: undefined, sanUri: "spiffe://acme/jobs", sanDns: "jobs.acme.example" },
          identity: { tenant: "acme", subject: "jobs", scopes: [] },
        },
      ],
    });
  });
});
