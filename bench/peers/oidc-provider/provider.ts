import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import Provider from "oidc-provider";
import { OIDC_CLIENT } from "../../candidates/oidc-client.ts";
import { createRedisAdapter } from "./redis-adapter.ts";

const ISSUER = "https://login.example.com";
const DAY = 86_400;

/** A provider as its documentation wants it in production: a store, keys and a policy of its own, no development pages. */
export function createProvider(redis: Redis): Provider {
  const { privateKey } = generateKeyPairSync("ed25519");
  const provider = new Provider(ISSUER, {
    adapter: createRedisAdapter(redis),
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "EdDSA" }] },
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    clients: [
      {
        client_id: OIDC_CLIENT.id,
        client_secret: OIDC_CLIENT.secret,
        grant_types: ["authorization_code"],
        redirect_uris: ["https://app.example.com/callback"],
        id_token_signed_response_alg: "EdDSA",
      },
    ],
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    ttl: { AccessToken: 90 * DAY },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
    },
  });
  provider.proxy = true;
  return provider;
}
