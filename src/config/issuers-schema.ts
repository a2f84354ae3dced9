import { createPublicKey, type JsonWebKey } from "node:crypto";
import type { JSONWebKeySet } from "jose";
import { z } from "zod";
import { ALGORITHMS } from "../auth/issuers.ts";
import { isReserved, permissionsOf } from "../domain/scopes.ts";
import { duration } from "./duration.ts";
import { headerName } from "./header-name.ts";

const MINUTE = 60_000;

/** Tenants and subjects as in `CreateRequest`. */
const name = (maxBytes: number) =>
  z
    .string()
    .regex(/^[^\p{C}\p{Z}]+$/u, "must be neither empty nor hold spaces or control characters")
    .refine((text) => Buffer.byteLength(text) <= maxBytes, `must have at most ${maxBytes} bytes`);

const tenant = name(128);
const subject = name(256);
const text = z.string().min(1, "must not be empty").max(2048);

const scope = z
  .string()
  .max(128)
  .regex(/^[!#-[\]-~]+$/, "must be a scope (RFC 6749, section 3.3)")
  .refine((scope) => !isReserved(scope) || permissionsOf([scope]).size > 0, "is not a permission of Latchkey");

/** The name of a claim, or the names that lead to it. */
const claim = z
  .union([text, z.array(text).min(1, "must not be empty")], {
    error: "must be the name of a claim, or a list of names that leads to it",
  })
  .transform((path) => (typeof path === "string" ? [path] : path));

/** A set of public keys; what else is in it does not matter (RFC 7517). */
export const jwksSchema: z.ZodType<JSONWebKeySet> = z.looseObject({
  keys: z
    .array(
      z.looseObject({ kty: z.enum(["RSA", "EC", "OKP"], "must be RSA, EC or OKP") }).superRefine((key, context) => {
        const message = findKeyFault(key);
        if (message !== undefined) context.addIssue({ code: "custom", message });
      }),
    )
    .min(1, "must hold a key"),
});

function findKeyFault(key: JsonWebKey): string | undefined {
  if (key.d !== undefined) return "is a private key: only its public part belongs here";
  try {
    const { modulusLength = 2048 } = createPublicKey({ key, format: "jwk" }).asymmetricKeyDetails ?? {};
    return modulusLength < 2048 ? "must have at least 2048 bits" : undefined;
  } catch {
    return "is not a key";
  }
}

const jwksUrl = z
  .string()
  .refine(isSafeUrl, "must be an https address (http only on this machine), without user and password")
  .transform((url) => new URL(url));

function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "") return false;
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback);
}

const issuerShape = {
  issuer: text,
  audiences: z.array(text).min(1, "must name an audience"),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1, "must name an algorithm")
    .default([...ALGORITHMS]),
  clock_tolerance: duration.refine((span) => span <= 10 * MINUTE, "must be at most 10 minutes").default(30_000),
  jwks: jwksSchema.optional(),
  jwks_file: text.optional(),
  jwks_url: jwksUrl.optional(),
  jwks_timeout: duration.default(3000),
  jwks_cooldown: duration.default(30_000),
  jwks_max_age: duration.default(10 * MINUTE),
  tenant: tenant.optional(),
  tenant_claim: claim.optional(),
  subject_claim: claim.default(["sub"]),
  scope_claim: claim.default(["scope"]),
  scope_mapping: z.record(text, z.array(scope)).optional(),
  default_scopes: z.array(scope).default([]),
  allowed_scopes: z.array(scope).default(["latchkey:self"]),
};

type Raw = Readonly<Record<string, unknown>>;

/** For checks over several fields: they run even if a field of its own is wrong, so that all faults come at once. */
const always = {
  when: ({ value }: { value: unknown }) => typeof value === "object" && value !== null && !Array.isArray(value),
};

const issuer = z
  .strictObject(issuerShape)
  .refine((raw) => countFields(raw, ["jwks", "jwks_file", "jwks_url"]) === 1, {
    ...always,
    error: "needs exactly one of jwks, jwks_file and jwks_url",
  })
  .refine((raw) => countFields(raw, ["tenant", "tenant_claim"]) === 1, {
    ...always,
    error: "needs exactly one of tenant and tenant_claim",
  })
  .refine((raw) => grantsAllowed(raw, [raw.default_scopes]), {
    ...always,
    path: ["default_scopes"],
    error: "grants a scope that is not in allowed_scopes",
  })
  .refine((raw) => grantsAllowed(raw, Object.values(raw.scope_mapping ?? {})), {
    ...always,
    path: ["scope_mapping"],
    error: "grants a scope that is not in allowed_scopes",
  });

function countFields(raw: Raw, names: readonly string[]): number {
  return names.filter((name) => raw[name] !== undefined).length;
}

function grantsAllowed(raw: Raw, lists: readonly unknown[]): boolean {
  const allowed = raw.allowed_scopes;
  const granted = lists.flat();
  return !Array.isArray(allowed) || granted.every((scope) => typeof scope !== "string" || allowed.includes(scope));
}

function namesOnce(entries: readonly (Raw | null)[]): boolean {
  const names = entries.map((entry) => entry?.issuer).filter((name) => name !== undefined);
  return new Set(names).size === names.length;
}

const certificate = z.strictObject({
  match: z
    .strictObject({ common_name: text.optional(), san_uri: text.optional(), san_dns: text.optional() })
    .refine((match) => Object.keys(match).length > 0, "needs common_name, san_uri or san_dns"),
  tenant,
  subject,
  scopes: z.array(scope),
});

/** The issuers file. */
export const issuersSchema = z.strictObject({
  tenant_header: headerName.optional(),
  issuers: z
    .array(issuer)
    .refine(namesOnce, { when: ({ value }) => Array.isArray(value), error: "names an issuer twice" })
    .default([]),
  certificates: z.array(certificate).default([]),
});

export type IssuerEntry = z.output<typeof issuer>;
export type CertificateEntry = z.output<typeof certificate>;
