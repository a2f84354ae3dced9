import { createHash, createHmac } from "node:crypto";
import { blake2b } from "@noble/hashes/blake2.js";
import { SignJWT } from "jose";

// A system whose tokens are imported: how it made secrets, and what stands in its tables.

const HMAC_KEY = Buffer.alloc(32, "the key of its HMACs");
const JWT_KEY = Buffer.alloc(32, "the key of its JWTs");
const SERVICE_KEY = Buffer.alloc(32, "our own service key");

/** A keys file that tells of all its kinds of secrets. */
export const KEYS_FILE = JSON.stringify({
  keys: [{ version: 1, secret: SERVICE_KEY.toString("base64") }],
  imported: [
    { name: "sha", type: "digest", algorithm: "sha256" },
    { name: "mac", type: "digest", algorithm: "hmac-sha256", secret: HMAC_KEY.toString("base64") },
    { name: "blake", type: "digest", algorithm: "blake2b-512" },
    { name: "jwt", type: "jwt", issuer: "old", algorithm: "HS256", secret: JWT_KEY.toString("base64") },
  ],
});

/** What nobody may see of it. */
export const HIDDEN = [HMAC_KEY, JWT_KEY, SERVICE_KEY].map((key) => key.toString("base64"));

export const SOURCES = ["sha", "mac", "blake", "jwt"] as const;

/** The secret that the owner of its n-th token has. */
export async function secretOf(source: (typeof SOURCES)[number], n: number): Promise<string> {
  if (source !== "jwt") return `${source}-secret-${n}`;
  const jwt = new SignJWT({ iss: "old", jti: `jti-${n}` }).setProtectedHeader({ alg: "HS256" });
  return jwt.sign(JWT_KEY);
}

/** What a line of the file says of the secret of its n-th token. */
export function evidenceOf(source: (typeof SOURCES)[number], n: number) {
  const secret = `${source}-secret-${n}`;
  switch (source) {
    case "sha":
      return { source, digest: createHash("sha256").update(secret).digest("hex") };
    case "mac":
      return { source, digest: createHmac("sha256", HMAC_KEY).update(secret).digest("base64") };
    case "blake":
      return { source, digest: Buffer.from(blake2b(Buffer.from(secret))).toString("base64url") };
    case "jwt":
      return { source, jwt_id: `jti-${n}` };
  }
}

/** A line for its n-th token, permanent and of one of a hundred users. */
export function lineOf(n: number, fields: object = {}): string {
  const owner = { tenant: "acme", subject: `user-${n % 100}` };
  return JSON.stringify({ ...evidenceOf("sha", n), ...owner, kind: "personal", label: `token ${n}`, ...fields });
}

/** The text of a file with that many tokens. */
export function linesOf(count: number): string {
  return Array.from({ length: count }, (_, n) => `${lineOf(n)}\n`).join("");
}
