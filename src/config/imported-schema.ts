import { z } from "zod";
import { ALGORITHMS } from "../auth/issuers.ts";
import { DIGEST_ALGORITHMS } from "../domain/imported.ts";
import { jwksSchema } from "./issuers-schema.ts";
import { keysFor } from "./verification-keys.ts";

const SHARED_SECRETS = ["HS256", "HS384", "HS512"] as const;
const SIGNATURES = [...SHARED_SECRETS, ...ALGORITHMS] as const;

/** The longest key that BLAKE2b takes, in bytes (RFC 7693). */
const LONGEST_BLAKE2B_KEY = 64;

/** Base64 of so many bytes or more. */
export const secretOf = (bytes: number) =>
  z
    .base64("must be base64")
    .transform((text) => Buffer.from(text, "base64"))
    .refine((secret) => secret.length >= bytes, `must be ${bytes} random bytes or more`);

const name = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "must be lower-case letters, digits, - and _, 64 at most");
const text = z.string().min(1, "must not be empty").max(2048);

/** For checks over several fields: they run even if a field of its own is wrong, so that all faults come at once. */
const always = {
  when: ({ value }: { value: unknown }) => typeof value === "object" && value !== null,
};

const digest = z
  .strictObject({
    name,
    type: z.literal("digest"),
    algorithm: z.enum(DIGEST_ALGORITHMS, `must be one of ${DIGEST_ALGORITHMS.join(", ")}`),
    secret: secretOf(16).optional(),
  })
  .refine(({ algorithm, secret }) => !startsWith(algorithm, "hmac") || secret !== undefined, {
    ...always,
    path: ["secret"],
    error: "is missing",
  })
  .refine(({ algorithm, secret }) => !startsWith(algorithm, "sha") || secret === undefined, {
    ...always,
    path: ["secret"],
    error: "has no meaning for this algorithm",
  })
  .refine(({ algorithm, secret }) => !startsWith(algorithm, "blake2b") || fitsBlake2b(secret), {
    path: ["secret"],
    error: `must have ${LONGEST_BLAKE2B_KEY} bytes at most for this algorithm`,
  });

const jwt = z
  .strictObject({
    name,
    type: z.literal("jwt"),
    issuer: text.optional(),
    algorithm: z.enum(SIGNATURES, `must be one of ${SIGNATURES.join(", ")}`),
    secret: secretOf(32).optional(),
    jwks: jwksSchema.optional(),
    jwks_file: text.optional(),
  })
  .refine((raw) => !startsWith(raw.algorithm, "HS") || (raw.secret !== undefined && countSets(raw) === 0), {
    ...always,
    error: "needs a secret for this algorithm, and neither jwks nor jwks_file",
  })
  .refine((raw) => startsWith(raw.algorithm, "HS") || (raw.secret === undefined && countSets(raw) === 1), {
    ...always,
    error: "needs exactly one of jwks and jwks_file for this algorithm, and no secret",
  })
  .refine(({ algorithm, jwks }) => jwks === undefined || keysFor(algorithm, jwks).length > 0, {
    path: ["jwks"],
    error: "holds no key for this algorithm",
  });

function startsWith(algorithm: unknown, family: string): boolean {
  return typeof algorithm === "string" && algorithm.startsWith(family);
}

function fitsBlake2b(secret: Buffer | undefined): boolean {
  return secret === undefined || secret.length <= LONGEST_BLAKE2B_KEY;
}

function countSets({ jwks, jwks_file }: { jwks?: unknown; jwks_file?: unknown }): number {
  return [jwks, jwks_file].filter((set) => set !== undefined).length;
}

function namesOnce(entries: readonly unknown[]): boolean {
  const names = entries.flatMap((entry) => Object(entry).name ?? []);
  return new Set(names).size === names.length;
}

/** The part of the keys file that tells how other systems' secrets are recognised. */
export const importedSchema = z
  .array(z.discriminatedUnion("type", [digest, jwt], "must be a digest or a jwt"))
  .refine(namesOnce, { when: ({ value }) => Array.isArray(value), error: "names a source twice" });

export type ImportedEntry = z.output<typeof importedSchema>[number];
