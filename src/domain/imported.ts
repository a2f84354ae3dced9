import { createHash, createHmac, type KeyObject } from "node:crypto";
import { blake2b } from "@noble/hashes/blake2.js";
import { compactVerify, decodeJwt, decodeProtectedHeader, errors } from "jose";
import { isJwt } from "./jwt.ts";

/** One way in which another system made secrets, so that those of its tokens that were imported go on to work. */
export interface ImportedSource {
  /** Unique in the keys file; records refer to it. */
  readonly name: string;
  /** How long its digests are, whose hex digits its secrets are known by. Undefined: its secrets are JWTs, known by their `jti`. */
  readonly digestBytes: number | undefined;
  /**
   * What a secret of this source is known by, which is what imported records are found and checked by. Undefined: the text is
   * none of this source. "SIGNATURE": a JWT of this source whose signature is wrong.
   */
  recognize(text: string): Promise<{ readonly material: string } | "SIGNATURE" | undefined>;
}

/** Longest secret that is looked at, in bytes: as long as a `secret` can be in the API. */
const MAX_SECRET = 8192;

/** Longest `jti` that counts, in characters. */
export const MAX_JTI = 1024;

export const DIGEST_ALGORITHMS = [
  "sha256",
  "sha512",
  "hmac-sha256",
  "hmac-sha512",
  "blake2b-256",
  "blake2b-512",
] as const;

/** A system that kept digests of its opaque secrets. */
export interface DigestSettings {
  readonly name: string;
  readonly algorithm: (typeof DIGEST_ALGORITHMS)[number];
  /** For HMAC and BLAKE2b, whose digests depend on one. */
  readonly secret: Uint8Array | undefined;
}

/** Recognises every text, by its digest in lower-case hex. */
export function createDigestSource({ name, algorithm, secret }: DigestSettings): ImportedSource {
  const digest = digestOf(algorithm, secret);
  return {
    name,
    digestBytes: digest(Buffer.alloc(0)).length,
    async recognize(text) {
      const bytes = Buffer.from(text);
      return bytes.length > MAX_SECRET ? undefined : { material: Buffer.from(digest(bytes)).toString("hex") };
    },
  };
}

function digestOf(algorithm: DigestSettings["algorithm"], key: Uint8Array | undefined): (text: Buffer) => Uint8Array {
  switch (algorithm) {
    case "sha256":
    case "sha512":
      return (text) => createHash(algorithm).update(text).digest();
    case "hmac-sha256":
    case "hmac-sha512":
      return (text) =>
        createHmac(algorithm.slice("hmac-".length), key ?? "")
          .update(text)
          .digest();
    case "blake2b-256":
    case "blake2b-512":
      return (text) => blake2b(text, { dkLen: algorithm === "blake2b-256" ? 32 : 64, ...(key && { key }) });
  }
}

/** A system that signed JWTs. */
export interface JwtSettings {
  readonly name: string;
  /** The `iss` of its JWTs, exactly. Undefined: any, or none. */
  readonly issuer: string | undefined;
  /** As JWS names it. No other is accepted, whatever a JWT says. */
  readonly algorithm: string;
  /** All of them are good for `algorithm`. */
  readonly keys: readonly VerificationKey[];
}

/** A public key, or a shared secret. */
export interface VerificationKey {
  /** Undefined: any JWT may have been signed with it. */
  readonly kid: string | undefined;
  readonly key: KeyObject;
}

/** Recognises the JWTs that one of the keys has signed, by their `jti`. Whether they are expired is for the records to say. */
export function createJwtSource({ name, issuer, algorithm, keys }: JwtSettings): ImportedSource {
  return {
    name,
    digestBytes: undefined,
    async recognize(text) {
      const claimed = readClaimed(text);
      if (!claimed || (issuer !== undefined && claimed.iss !== issuer)) return undefined;
      const candidates = keys.filter(
        ({ kid }) => kid === undefined || claimed.kid === undefined || kid === claimed.kid,
      );
      for (const { key } of candidates) if (await verifies(text, key, algorithm)) return materialOf(claimed);
      const isClaimed = issuer !== undefined || keys.some(({ kid }) => kid !== undefined && kid === claimed.kid);
      return isClaimed ? "SIGNATURE" : undefined;
    },
  };
}

interface Claimed {
  readonly kid: unknown;
  readonly iss: unknown;
  readonly jti: unknown;
}

/** What a JWT says of itself, which nobody has verified yet. */
function readClaimed(text: string): Claimed | undefined {
  if (!isJwt(text)) return undefined;
  try {
    const { iss, jti } = decodeJwt(text);
    return { kid: decodeProtectedHeader(text).kid, iss, jti };
  } catch {
    return undefined;
  }
}

async function verifies(text: string, key: KeyObject, algorithm: string): Promise<boolean> {
  try {
    const { protectedHeader } = await compactVerify(text, key, { algorithms: [algorithm] });
    // What is critical may change what the rest means (RFC 7797), and nobody here would know.
    return protectedHeader.crit === undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}

function materialOf({ jti }: Claimed): { readonly material: string } | undefined {
  return typeof jti === "string" && jti !== "" && jti.length <= MAX_JTI ? { material: jti } : undefined;
}
