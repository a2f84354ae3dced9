import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import type { JwtAlgorithm } from "./kinds.ts";

/** One half of a service key's pair for signing JWTs; the other half stays inside `sign`. */
export interface SigningKey {
  readonly algorithm: JwtAlgorithm;
  /** What JWTs name it by: the thumbprint of its public part (RFC 7638). */
  readonly kid: string;
  readonly publicKey: KeyObject;
  /** The public part as a JWKS shows it. */
  readonly jwk: JsonWebKey;
  /** The signature of a text in the form of JWS. The same text gives the same signature. */
  sign(text: string): Uint8Array;
  /** Whether a good signature is one that `sign` makes: out of one of ECDSA, anybody can make a second good one. */
  isOwn(signature: Uint8Array): boolean;
}

/** Gives so many bytes that are good for one purpose alone, and always the same ones. */
type Derive = (purpose: string, length: number) => Buffer;

/** The signing keys of a service key, by what they sign with. */
export function deriveSigningKeys(derive: Derive): Readonly<Record<JwtAlgorithm, SigningKey>> {
  return { EdDSA: deriveEd25519(derive), ES256: deriveP256(derive) };
}

/** What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

function deriveEd25519(derive: Derive): SigningKey {
  const der = Buffer.concat([ED25519_PKCS8, derive("sign-ed25519", 32)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return {
    ...publish("EdDSA", createPublicKey(privateKey)),
    sign: (text) => sign(null, Buffer.from(text), privateKey),
    isOwn: () => true,
  };
}

/** Node's own ECDSA takes a random number for each signature; this one derives it from key and text (RFC 6979). */
function deriveP256(derive: Derive): SigningKey {
  const secretKey = p256.utils.randomSecretKey(derive("sign-p256", p256.lengths.seed as number));
  const point = Buffer.from(p256.getPublicKey(secretKey, false));
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url")) as [
    string,
    string,
  ];
  const publicKey = createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
  return {
    ...publish("ES256", publicKey),
    sign: (text) => p256.sign(Buffer.from(text), secretKey, { prehash: true, lowS: true }),
    isOwn: (signature) => !p256.Signature.fromBytes(signature).hasHighS(),
  };
}

function publish(algorithm: JwtAlgorithm, publicKey: KeyObject) {
  const jwk = publicKey.export({ format: "jwk" });
  const kid = thumbprintOf(jwk);
  return { algorithm, kid, publicKey, jwk: { ...jwk, use: "sig", alg: algorithm, kid } };
}

/** Of the members that make up the key, in the order of their names. */
function thumbprintOf(jwk: JsonWebKey): string {
  const members = Object.entries(jwk).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify(Object.fromEntries(members)))
    .digest("base64url");
}
