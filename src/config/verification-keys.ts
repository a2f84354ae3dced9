import { createPublicKey } from "node:crypto";
import { resolve } from "node:path";
import type { JSONWebKeySet, JWK } from "jose";
import type { VerificationKey } from "../domain/imported.ts";
import { ConfigError } from "./config-error.ts";
import { jwksSchema } from "./issuers-schema.ts";
import { readYaml } from "./read-yaml.ts";

/**
 * The keys of a source of JWTs, from its entry in the keys file or from the file that the entry names.
 *
 * @param folder what the name of that file is relative to.
 * @throws ConfigError if the file has a fault.
 */
export function readVerificationKeys(
  {
    algorithm,
    jwks,
    jwks_file = "",
  }: { algorithm: string; jwks?: JSONWebKeySet | undefined; jwks_file?: string | undefined },
  folder: string,
): VerificationKey[] {
  if (jwks) return keysFor(algorithm, jwks);
  const path = resolve(folder, jwks_file);
  const keys = keysFor(algorithm, readYaml(path, jwksSchema));
  if (keys.length === 0) throw new ConfigError(path, [`${path}: holds no key for ${algorithm}`]);
  return keys;
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
