import ms from "ms";
import { z } from "zod";
import { type Kind, type Kinds, kindDefaults, kindTable } from "../domain/kinds.ts";
import { duration } from "./duration.ts";
import { readYaml } from "./read-yaml.ts";

/** Beyond every need, and short of where dates end. */
const LONGEST = ms("1000 years");

const span = duration.refine((length) => length <= LONGEST, "must be 1000 years at most");
const spanOr = <Word extends string>(word: Word) =>
  z.union([z.literal(word), span], `must be a duration such as "10h" or "90d", 1000 years at most, or "${word}"`);

const kind = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "must be lower-case letters, digits, - and _, 64 at most"),
    prefix: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,22}[a-z0-9]$/, "must be lower-case letters, digits and _, 2 to 24 of them"),
    default_lifetime: spanOr("permanent").optional(),
    max_lifetime: span.optional(),
    permanent: z.boolean().optional(),
    default_uses: z.int().min(1).max(1_000_000_000).optional(),
    max_uses: z.int().min(1).max(1_000_000_000).optional(),
    max_per_subject: z.int().min(1).max(1_000_000).optional(),
    unique_labels: z.boolean().optional(),
    scheme: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, "must be letters, digits and -, 64 at most")
      .optional(),
    creators: z.array(z.enum(["token", "jwt", "certificate"])).optional(),
    retention: spanOr("none").optional(),
  })
  .transform(toKind)
  .check((context) => {
    for (const [field, message] of contradictionsOf(context.value)) {
      context.issues.push({ code: "custom", input: context.value, path: [field], message });
    }
  });

const kindsFile = z.strictObject({ kinds: z.array(kind).min(1) }).check((context) => {
  for (const field of ["name", "prefix", "scheme"] as const) {
    const seen = new Set<string>();
    for (const [index, entry] of context.value.kinds.entries()) {
      const value = entry[field]?.toLowerCase();
      if (value !== undefined && seen.has(value)) {
        context.issues.push({
          code: "custom",
          input: value,
          path: ["kinds", index, field],
          message: "is another kind's too",
        });
      }
      if (value !== undefined) seen.add(value);
    }
  }
});

/**
 * Reads a kinds file (YAML or JSON): `kinds:` with a list of kinds, whose fields are those of `Kind` in snake case.
 *
 * @throws ConfigError that lists every fault with its line.
 */
export function readKindsFile(path: string): Kinds {
  return kindTable(readYaml(path, kindsFile).kinds);
}

interface KindFields {
  readonly name: string;
  readonly prefix: string;
  readonly default_lifetime?: number | "permanent" | undefined;
  readonly max_lifetime?: number | undefined;
  readonly permanent?: boolean | undefined;
  readonly default_uses?: number | undefined;
  readonly max_uses?: number | undefined;
  readonly max_per_subject?: number | undefined;
  readonly unique_labels?: boolean | undefined;
  readonly scheme?: string | undefined;
  readonly creators?: Kind["creators"] | undefined;
  readonly retention?: number | "none" | undefined;
}

function toKind(fields: KindFields): Kind {
  return {
    ...kindDefaults,
    name: fields.name,
    prefix: fields.prefix,
    defaultLifetime: toDefaultLifetime(fields),
    maxLifetime: fields.max_lifetime,
    permanent: fields.permanent ?? kindDefaults.permanent,
    defaultUses: fields.default_uses ?? fields.max_uses,
    maxUses: fields.max_uses,
    maxPerSubject: fields.max_per_subject,
    uniqueLabels: fields.unique_labels ?? kindDefaults.uniqueLabels,
    scheme: fields.scheme,
    creators: fields.creators ?? kindDefaults.creators,
    retention: fields.retention === "none" ? 0 : (fields.retention ?? kindDefaults.retention),
  };
}

/** The default is never longer than the longest. */
function toDefaultLifetime({ default_lifetime, max_lifetime }: KindFields): number | undefined {
  if (default_lifetime === "permanent") return undefined;
  return (
    default_lifetime ??
    Math.min(kindDefaults.defaultLifetime ?? Number.POSITIVE_INFINITY, max_lifetime ?? Number.POSITIVE_INFINITY)
  );
}

function contradictionsOf(kind: Kind): [field: string, message: string][] {
  const faults: [string, string][] = [];
  const { defaultLifetime, maxLifetime, defaultUses, maxUses } = kind;
  if (defaultLifetime === undefined && !kind.permanent) faults.push(["default_lifetime", "needs permanent: true"]);
  if ((defaultLifetime ?? 0) > (maxLifetime ?? Number.POSITIVE_INFINITY)) {
    faults.push(["default_lifetime", "is longer than max_lifetime"]);
  }
  if ((defaultUses ?? 0) > (maxUses ?? Number.POSITIVE_INFINITY))
    faults.push(["default_uses", "is more than max_uses"]);
  if (["bearer", "token", "basic"].includes(kind.scheme?.toLowerCase() ?? "")) {
    faults.push(["scheme", "is taken by every kind"]);
  }
  return faults;
}
