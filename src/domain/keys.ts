import { createHash, createSecretKey, hkdfSync, type JsonWebKey, type KeyObject } from "node:crypto";
import { TextHmac } from "./hmac.ts";
import type { ImportedSource } from "./imported.ts";
import type { JwtAlgorithm } from "./kinds.ts";
import { deriveSigningKeys, type SigningKey } from "./signing-keys.ts";

/** A secret of the installation, as its keys file holds it. */
export interface ServiceKey {
  /** 1 or more; told apart by it in the records. */
  readonly version: number;
  /** 32 random bytes or more. */
  readonly secret: Uint8Array;
}

/** What is derived from one service key, each purpose by its own key (HKDF, RFC 5869). */
export interface DerivedKey {
  readonly version: number;
  /** Makes the digests of secrets. */
  readonly digest: TextHmac;
  /** Signs page tokens. */
  readonly pageToken: KeyObject;
  /** Marks secrets as made here. */
  readonly proof: TextHmac;
  /** Makes the secrets of requests that can be repeated. */
  readonly request: KeyObject;
  /** Makes the names by which imported tokens are found. */
  readonly alias: KeyObject;
  /** Sign JWTs. */
  readonly signing: Readonly<Record<JwtAlgorithm, SigningKey>>;
  /** Tells keys apart without telling anything of them. */
  readonly fingerprint: string;
}

/** The keys in use: the current one makes what is new, all of them check what is old. */
export interface KeyRing {
  readonly current: DerivedKey;
  readonly byVersion: ReadonlyMap<number, DerivedKey>;
  /** Those of all keys, by the `kid` that JWTs name them by. */
  readonly signing: ReadonlyMap<string, SigningKey>;
  /** The highest version. */
  readonly newest: number;
  /** How secrets are recognised that other systems have made. */
  readonly imported: readonly ImportedSource[];
}

/** @param keys the current one first, then the retiring ones. */
export function createKeyRing(
  keys: readonly [ServiceKey, ...ServiceKey[]],
  imported: readonly ImportedSource[] = [],
): KeyRing {
  const derived = keys.map(deriveKey);
  return {
    current: derived[0] as DerivedKey,
    byVersion: new Map(derived.map((key) => [key.version, key])),
    signing: new Map(derived.flatMap(({ signing }) => Object.values(signing).map((key) => [key.kid, key]))),
    newest: Math.max(...derived.map((key) => key.version)),
    imported,
  };
}

/** The fingerprints of all keys, the current one first. */
export function fingerprintsOf(keys: KeyRing): string[] {
  const others = [...keys.byVersion.values()].filter((key) => key !== keys.current);
  return [keys.current, ...others].map((key) => key.fingerprint);
}

/** What everybody may know: the keys that JWTs made here are verified with (a JWK set, RFC 7517), the current ones first. */
export function publicKeysOf(keys: KeyRing): { readonly keys: readonly JsonWebKey[] } {
  return { keys: [...keys.signing.values()].map(({ jwk }) => jwk) };
}

function deriveKey({ version, secret }: ServiceKey): DerivedKey {
  const derive = (purpose: string, length = 32) =>
    Buffer.from(hkdfSync("sha256", secret, "", `latchkey/${purpose}`, length));
  return {
    version,
    digest: new TextHmac(derive("digest")),
    pageToken: createSecretKey(derive("page-token")),
    proof: new TextHmac(derive("proof")),
    request: createSecretKey(derive("request")),
    alias: createSecretKey(derive("alias")),
    signing: deriveSigningKeys(derive),
    fingerprint: createHash("sha256").update(derive("fingerprint")).digest("base64url"),
  };
}
