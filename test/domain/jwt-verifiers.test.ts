import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { allowInsecureRequests, validateJwtAccessToken } from "oauth4webapi";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type App, startApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import { createServiceClient, ROOT_TOKEN, type TestService } from "../support/service.ts";
import { kindOf } from "./world.ts";

// Other people's verifiers, who know nothing of us but our JWKS.

const ISSUER = "https://tokens.example/acme";

let app: App;
let folder: string;
let latchkey: ReturnType<TestService["client"]>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-"));
  const config = readConfig({ LATCHKEY_LISTEN: "127.0.0.1:0", LATCHKEY_STORE: `sqlite:${folder}/latchkey.db` });
  const kinds = (["EdDSA", "ES256"] as const).map((algorithm) => {
    const jwt = { algorithm, issuer: "https://tokens.example/{tenant}", claims: { tier: "gold" } };
    return kindOf({ name: algorithm, format: "jwt", prefix: "", jwt, permanent: true });
  });
  const table = new Map(kinds.map((kind) => [kind.name, kind]));
  app = await startApp({ ...config, kinds: table, rootToken: ROOT_TOKEN }, pino({ level: "silent" }));
  latchkey = createServiceClient(app.url, ROOT_TOKEN);
});
afterAll(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

const jwksUrl = () => new URL("/.well-known/jwks.json", app.url);

async function issue(kind: string, audiences: string[] = ["photos"]): Promise<string> {
  const scopes = ["repo:read", "repo:write"];
  const claims = { group: "staff" };
  return (await latchkey.create({ tenant: "acme", subject: "ada", kind, scopes, audiences, claims, clientId: "web" }))
    .secret;
}

describe.each(["EdDSA", "ES256"])("a JWT with %s is accepted", (kind) => {
  const expected = {
    iss: ISSUER,
    sub: "ada",
    client_id: "web",
    scope: "repo:read repo:write",
    group: "staff",
    tier: "gold",
  };

  function validate(jwt: string, audience: string, issuer = ISSUER) {
    const request = new Request("https://photos.example/", { headers: { authorization: `Bearer ${jwt}` } });
    const server = { issuer, jwks_uri: jwksUrl().href };
    return validateJwtAccessToken(server, request, audience, {
      [allowInsecureRequests]: true,
      signingAlgorithms: [kind],
    });
  }

  test("by oauth4webapi, as an access token of RFC 9068", async () => {
    const jwt = await issue(kind);
    expect(await validate(jwt, "photos")).toMatchObject({ ...expected, aud: "photos" });
    expect(await validate(await issue(kind, ["photos", "videos"]), "videos")).toMatchObject({
      aud: ["photos", "videos"],
    });
    expect(await validate(await issue(kind, []), ISSUER)).toMatchObject({ aud: ISSUER });
  });

  test("by oauth4webapi only for its audience, from its issuer and unchanged", async () => {
    const jwt = await issue(kind);
    await expect(validate(jwt, "videos")).rejects.toThrow('unexpected JWT "aud"');
    await expect(validate(jwt, "photos", "https://tokens.example/globex")).rejects.toThrow('unexpected JWT "iss"');
    const [header, , signature] = jwt.split(".");
    const payload = Buffer.from(JSON.stringify({ ...decodeJwt(jwt), sub: "root" })).toString("base64url");
    await expect(validate(`${header}.${payload}.${signature}`, "photos")).rejects.toThrow(
      "signature verification failed",
    );
  });

  test("by jose with the remote key set", async () => {
    const jwt = await issue(kind);
    const keys = createRemoteJWKSet(jwksUrl());
    const rules = { issuer: ISSUER, audience: "photos", typ: "at+jwt", algorithms: [kind] };
    const { payload, protectedHeader } = await jwtVerify(jwt, keys, rules);
    expect(payload).toMatchObject(expected);
    expect(protectedHeader).toEqual({ alg: kind, kid: expect.any(String), typ: "at+jwt" });
    const forged = jwt.slice(0, -8) + (jwt.endsWith("A".repeat(8)) ? "B" : "A").repeat(8);
    await expect(jwtVerify(forged, keys, rules)).rejects.toThrow("signature verification failed");
  });

  test("by Latchkey itself, which looks at the record as well", async () => {
    const secret = await issue(kind);
    const answer = await latchkey.introspect({ secret, audience: "photos", scopes: ["repo:read"], kinds: [kind] });
    expect(answer).toMatchObject({
      active: true,
      token: { id: decodeJwt(secret).jti, subject: "ada", clientId: "web" },
    });
  });
});
