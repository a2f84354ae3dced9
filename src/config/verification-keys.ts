import { createPublicKey } from "node:crypto";
import type { JSONWebKeySet, JWK } from "jose";
import type { VerificationKey } from "../domain/imported.ts";
import { ConfigError } from "./config-error.ts";
import { jwksSchema } from "./issuers-schema.ts";
import { readYaml } from "./read-yaml.ts";

/**
 * The set of keys in a file.
 *
 * @throws ConfigError if the file has a fault, or no key for the algorithm.
 */
export function readVerificationKeys(path: string, algorithm: string): JSONWebKeySet {
  const jwks = readYaml(path, jwksSchema);
  if (keysFor(algorithm, jwks).length === 0) throw new ConfigError(path, [`${path}: holds no key for ${algorithm}`]);
  return jwks;
}

/** The keys of a set that signatures of this algorithm can be verified with. */
export function keysFor(algorithm: string, { keys }: JSONWebKeySet): VerificationKey[] {
  return keys
    .filter((jwk) => fits(jwk, algorithm))
    .map((jwk) => ({ kid: toKid(jwk), key: createPublicKey({ key: jwk, format: "jwk" }) }));
}

function toKid({ kid }: JWK): string | undefined {
  return typeof kid === "string" ? kid : undefined;
}

const CURVES: Readonly<Record<string, string>> = {
  EdDSA: "Ed25519",
  Ed25519: "Ed25519",
  ES256: "P-256",
  ES384: "P-384",
  ES512: "P-521",
};

/** Whether the key is of the right type, and nothing that it says of itself speaks against it (RFC 7517, section 4). */
function fits({ kty, crv, alg, use, key_ops }: JWK, algorithm: string): boolean {
  const isRightType = algorithm in CURVES ? crv === CURVES[algorithm] : kty === "RSA";
  const isRightAlgorithm = alg === undefined || alg === algorithm || (isEd25519(alg) && isEd25519(algorithm));
  return isRightType && isRightAlgorithm && (use ?? "sig") === "sig" && (key_ops?.includes("verify") ?? true);
}

/** Both are names of the same (RFC 8037, RFC 9864). */
function isEd25519(algorithm: string): boolean {
  return algorithm === "EdDSA" || algorithm === "Ed25519";
}
