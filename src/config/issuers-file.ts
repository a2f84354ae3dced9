import { dirname, resolve } from "node:path";
import type { CertificateRule } from "../auth/certificates.ts";
import type { IssuerSettings } from "../auth/issuers.ts";
import type { KeySource } from "../auth/jwks.ts";
import { convertAll } from "./convert-all.ts";
import { type CertificateEntry, type IssuerEntry, issuersSchema, jwksSchema } from "./issuers-schema.ts";
import { readYaml } from "./read-yaml.ts";

/** Who besides Latchkey itself can say who calls, and for which tenant. */
export interface IssuersFile {
  /** The header, in lower case, that names the tenant which a call is for. Undefined: none does. */
  readonly tenantHeader: string | undefined;
  readonly issuers: readonly IssuerSettings[];
  readonly certificates: readonly CertificateRule[];
}

/**
 * Reads the file of LATCHKEY_ISSUERS, and the key files that it names (relative to itself).
 *
 * @throws ConfigError with every fault of the issuers file, or else with those of all key files.
 */
export function readIssuersFile(path: string): IssuersFile {
  const { tenant_header: tenantHeader, issuers, certificates } = readYaml(path, issuersSchema);
  const sources = convertAll(path, issuers, (entry) => toKeySource(entry, dirname(path)));
  return {
    tenantHeader,
    issuers: issuers.map((entry, index) => toIssuerSettings(entry, sources[index] as KeySource)),
    certificates: certificates.map(toCertificateRule),
  };
}

/** The schema lets pass exactly one of the three. */
function toKeySource(entry: IssuerEntry, folder: string): KeySource {
  if (entry.jwks !== undefined) return { keys: entry.jwks };
  if (entry.jwks_url === undefined) return { keys: readYaml(resolve(folder, entry.jwks_file ?? ""), jwksSchema) };
  return {
    url: entry.jwks_url,
    timeout: entry.jwks_timeout,
    cooldown: entry.jwks_cooldown,
    maxAge: entry.jwks_max_age,
  };
}

function toIssuerSettings(entry: IssuerEntry, keys: KeySource): IssuerSettings {
  const { tenant, tenant_claim, scope_mapping } = entry;
  return {
    issuer: entry.issuer,
    audiences: entry.audiences,
    algorithms: entry.algorithms,
    keys,
    clockTolerance: entry.clock_tolerance,
    claims: {
      subject: entry.subject_claim,
      tenant: tenant === undefined ? { claim: tenant_claim ?? [] } : { value: tenant },
      scopes: entry.scope_claim,
      scopeTable: scope_mapping === undefined ? undefined : new Map(Object.entries(scope_mapping)),
      defaultScopes: entry.default_scopes,
      allowedScopes: new Set(entry.allowed_scopes),
    },
  };
}

function toCertificateRule({ match, ...identity }: CertificateEntry): CertificateRule {
  return {
    match: { commonName: match.common_name, sanUri: match.san_uri, sanDns: match.san_dns },
    identity,
  };
}
