import { type Kind, type Kinds, kindDefaults, kindTable } from "../domain/kinds.ts";
import { lengthOf, type Span } from "../domain/span.ts";
import { type KindEntry, kindsSchema } from "./kinds-schema.ts";
import { readYaml } from "./read-yaml.ts";

/**
 * Reads a kinds file (YAML or JSON): `kinds:` with a list of kinds, whose fields are those of `Kind` in snake case.
 *
 * @throws ConfigError that lists every fault with its line.
 */
export function readKindsFile(path: string): Kinds {
  return kindTable(readYaml(path, kindsSchema).kinds.map(toKind));
}

function toKind(entry: KindEntry): Kind {
  return {
    name: entry.name,
    format: entry.format ?? kindDefaults.format,
    prefix: entry.prefix ?? "",
    jwt: toJwtPolicy(entry.jwt),
    defaultLifetime: toDefaultLifetime(entry),
    maxLifetime: entry.max_lifetime ?? longestOf(entry.allowed_lifetimes),
    allowedLifetimes: entry.allowed_lifetimes,
    idleTimeout: entry.idle_timeout,
    permanent: entry.permanent ?? kindDefaults.permanent,
    defaultUses: entry.default_uses ?? entry.max_uses,
    maxUses: entry.max_uses,
    maxPerSubject: entry.max_per_subject,
    uniqueLabels: entry.unique_labels ?? kindDefaults.uniqueLabels,
    reuse: entry.reuse ?? kindDefaults.reuse,
    exchangesTo: entry.exchanges_to?.map(toExchangeRule) ?? kindDefaults.exchangesTo,
    scheme: entry.scheme,
    tenants: entry.tenants,
    creators: entry.creators ?? kindDefaults.creators,
    freshLogin: entry.fresh_login,
    retention: entry.retention === "none" ? 0 : (entry.retention ?? kindDefaults.retention),
  };
}

function toJwtPolicy({ algorithm, issuer, claims }: NonNullable<KindEntry["jwt"]> = {}): Kind["jwt"] {
  return {
    algorithm: algorithm ?? kindDefaults.jwt.algorithm,
    issuer: issuer ?? kindDefaults.jwt.issuer,
    claims: claims ?? kindDefaults.jwt.claims,
  };
}

function toExchangeRule(rule: NonNullable<KindEntry["exchanges_to"]>[number]): Kind["exchangesTo"][number] {
  return {
    kind: rule.kind,
    consume: rule.consume ?? false,
    rotate: rule.rotate ?? false,
    revokeOnReuse: rule.revoke_on_reuse ?? false,
  };
}

/** Where none is said: the first that is allowed, or the usual one if the longest is not shorter. */
function toDefaultLifetime({ default_lifetime, allowed_lifetimes, max_lifetime }: KindEntry): Span | undefined {
  if (default_lifetime === "permanent") return undefined;
  const usual = kindDefaults.defaultLifetime;
  const isTooLong = max_lifetime !== undefined && usual !== undefined && lengthOf(max_lifetime) < lengthOf(usual);
  return default_lifetime ?? allowed_lifetimes?.[0] ?? (isTooLong ? max_lifetime : usual);
}

function longestOf(spans: readonly Span[] = []): Span | undefined {
  return spans.toSorted((one, other) => lengthOf(other) - lengthOf(one))[0];
}
