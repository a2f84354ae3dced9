import { z } from "zod";
import { isTenant } from "../domain/caller.ts";
import { JWT_PLACEHOLDERS } from "../domain/jwt.ts";
import { findContradictions, type SoundKind } from "./contradictions.ts";
import { duration, durationOr, life } from "./duration.ts";
import { soundParts } from "./sound-parts.ts";

const MINUTE = 60_000;

const PLACEHOLDERS = JWT_PLACEHOLDERS.map((name) => `{${name}}`);

/** A text in JWTs. */
const template = z
  .string("must be a text (in quotes, if it begins with a brace)")
  .max(256, "must have at most 256 characters")
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]+$/u, "must be one line without control characters")
  .refine(
    (text) => !/[{}]/.test(PLACEHOLDERS.reduce((rest, placeholder) => rest.replaceAll(placeholder, ""), text)),
    `may have no braces but ${PLACEHOLDERS.join(", ")}`,
  );

/** Not zod's own `int`: after that, no rule over several fields would run. */
function count(most: number) {
  const message = `must be a whole number from 1 to ${most}`;
  return z.number(message).refine((value) => Number.isInteger(value) && value >= 1 && value <= most, message);
}

const exchangeRule = z.strictObject({
  kind: z.string(),
  consume: z.boolean().optional(),
  rotate: z.boolean().optional(),
  revoke_on_reuse: z.boolean().optional(),
});

const kindEntry = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "must be lower-case letters, digits, - and _, 64 at most"),
  format: z.enum(["opaque", "jwt"], "must be opaque or jwt").optional(),
  prefix: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,22}[a-z0-9]$/, "must be lower-case letters, digits and _, 2 to 24 of them")
    .optional(),
  jwt: z
    .strictObject({
      algorithm: z.enum(["EdDSA", "ES256"], "must be EdDSA or ES256").optional(),
      issuer: template.optional(),
      claims: z.record(z.string(), template).optional(),
    })
    .optional(),
  default_lifetime: durationOr("permanent", life).optional(),
  max_lifetime: life.optional(),
  allowed_lifetimes: z.array(life).min(1, "must name a life").optional(),
  idle_timeout: duration
    .refine((span) => span >= 5 * MINUTE, "must be 5 minutes at least, for the last use is noted to a minute")
    .optional(),
  permanent: z.boolean().optional(),
  default_uses: count(1_000_000_000).optional(),
  max_uses: count(1_000_000_000).optional(),
  max_per_subject: count(1_000_000).optional(),
  unique_labels: z.boolean().optional(),
  reuse: z.boolean().optional(),
  exchanges_to: z.array(exchangeRule).optional(),
  scheme: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, "must be letters, digits and -, 64 at most")
    .optional(),
  tenants: z.array(z.string().refine(isTenant, "is no name of a tenant")).min(1, "must name a tenant").optional(),
  creators: z.array(z.enum(["token", "jwt", "certificate"])).optional(),
  fresh_login: duration.optional(),
  retention: durationOr("none", duration).optional(),
});

/** A kind, as the file says it. */
export type KindEntry = z.output<typeof kindEntry>;

/** The kinds file. Its rules over several fields are checked even if other fields are wrong, so that all faults come at once. */
export const kindsSchema = z.strictObject({ kinds: z.array(kindEntry).min(1) }).superRefine(
  (file, context) => {
    const sound = soundParts(file, context.issues) as
      | { readonly kinds?: readonly (SoundKind | undefined)[] }
      | undefined;
    for (const { path, message } of findContradictions(sound?.kinds ?? [])) {
      context.addIssue({ code: "custom", path: ["kinds", ...path], message });
    }
  },
  { when: () => true },
);
