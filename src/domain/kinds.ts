import type { Credential } from "./caller.ts";
import type { Span } from "./span.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How a family of tokens lives. Durations are milliseconds. */
export interface Kind {
  readonly name: string;
  /** What its secrets are: random text of ours, or a signed JWT whose `jti` is the token's id. */
  readonly format: "opaque" | "jwt";
  /** What opaque secrets begin with, before the underscore. No two kinds share one. Empty for JWTs. */
  readonly prefix: string;
  /** How its JWTs are made. Does not matter for opaque tokens. */
  readonly jwt: JwtPolicy;
  /** The life of a token for which none is asked. Undefined: permanent. */
  readonly defaultLifetime: Span | undefined;
  /** The longest life that can be asked for. Undefined: any. */
  readonly maxLifetime: Span | undefined;
  /** The only lives that can be asked for, if any are named. Undefined: any up to `maxLifetime`. */
  readonly allowedLifetimes: readonly Span[] | undefined;
  /** How long a token may go unused before it expires. Undefined: for ever. */
  readonly idleTimeout: number | undefined;
  /** Whether a token without expiry can be asked for. */
  readonly permanent: boolean;
  /** How many uses a token has for which none are asked. Undefined: unlimited. */
  readonly defaultUses: number | undefined;
  /** The most uses that can be asked for. Undefined: any. */
  readonly maxUses: number | undefined;
  /** How many live tokens of this kind a subject may have. Undefined: any number. */
  readonly maxPerSubject: number | undefined;
  /** Whether a label is required, and unique among the subject's live tokens of this kind. */
  readonly uniqueLabels: boolean;
  /** Whether a subject has one at most, so that Create answers the record of the one it has (get or create). */
  readonly reuse: boolean;
  /** What tokens of this kind can be exchanged for. */
  readonly exchangesTo: readonly ExchangeRule[];
  /** A scheme of the `authorization` header that stands for this kind, for example `OrgUserApiToken`. */
  readonly scheme: string | undefined;
  /** In which tenants there are such tokens. Undefined: in all. */
  readonly tenants: readonly string[] | undefined;
  /** With which credentials a caller may create it for itself. Administrators and the root always may. */
  readonly creators: readonly Credential[];
  /** How long ago the login of a caller may be that creates one for itself. Undefined: that does not matter. */
  readonly freshLogin: number | undefined;
  /** How long after its end a token is still listed as EXPIRED. */
  readonly retention: number;
}

/** What a token can be exchanged for, and what becomes of it then. */
export interface ExchangeRule {
  /** Name of the kind that the exchange makes. */
  readonly kind: string;
  /** Whether the exchange takes a use of the token, and its only one if it has any number. */
  readonly consume: boolean;
  /** Whether the token gets a new secret with each exchange; the one before is spent then. */
  readonly rotate: boolean;
  /** Whether the token and all that came from it die when a spent secret of it is presented. Else that is only reported. */
  readonly revokeOnReuse: boolean;
}

/** How a JWT is signed. */
export type JwtAlgorithm = "EdDSA" | "ES256";

/** How a kind's JWTs are made. In texts, `{tenant}`, `{subject}`, `{id}` and the like stand for the token's own. */
export interface JwtPolicy {
  readonly algorithm: JwtAlgorithm;
  /** The claim `iss`. Undefined: `DEFAULT_ISSUER`, unless the installation has one of its own. */
  readonly issuer: string | undefined;
  /** Further claims, or others in the place of the usual ones, by name. */
  readonly claims: Readonly<Record<string, string>>;
}

/** The kinds of an installation, by name. */
export type Kinds = ReadonlyMap<string, Kind>;

/** The `iss` of JWTs where nobody has said another. */
export const DEFAULT_ISSUER = "latchkey";

/** What a field means where a kinds file leaves it out. */
export const kindDefaults: Omit<Kind, "name" | "prefix"> = {
  format: "opaque",
  jwt: { algorithm: "EdDSA", issuer: undefined, claims: {} },
  defaultLifetime: 90 * DAY,
  maxLifetime: undefined,
  allowedLifetimes: undefined,
  idleTimeout: undefined,
  permanent: false,
  defaultUses: undefined,
  maxUses: undefined,
  maxPerSubject: undefined,
  uniqueLabels: false,
  reuse: false,
  exchangesTo: [],
  scheme: undefined,
  tenants: undefined,
  creators: [],
  freshLogin: undefined,
  retention: DAY,
};

/** The kinds that every installation starts with, unless `LATCHKEY_KINDS` names others. */
export const builtInKinds: Kinds = kindTable([
  { ...kindDefaults, name: "personal", prefix: "lk_pat", permanent: true, creators: ["token", "jwt", "certificate"] },
  { ...kindDefaults, name: "service", prefix: "lk_svc", permanent: true },
  { ...kindDefaults, name: "session", prefix: "lk_ses", defaultLifetime: 10 * HOUR, maxLifetime: 31 * DAY },
  {
    ...kindDefaults,
    name: "refresh",
    prefix: "lk_ref",
    defaultLifetime: 31 * DAY,
    maxLifetime: 31 * DAY,
    exchangesTo: [{ kind: "access", consume: false, rotate: false, revokeOnReuse: false }],
  },
  { ...kindDefaults, name: "access", prefix: "", format: "jwt", defaultLifetime: HOUR, maxLifetime: HOUR },
  {
    ...kindDefaults,
    name: "link",
    prefix: "lk_link",
    defaultLifetime: 15 * MINUTE,
    maxLifetime: DAY,
    defaultUses: 1,
    maxUses: 1,
    exchangesTo: [{ kind: "session", consume: true, rotate: false, revokeOnReuse: false }],
  },
]);

export function kindTable(kinds: readonly Kind[]): Kinds {
  return new Map(kinds.map((kind) => [kind.name, kind]));
}

/** The same kinds, with the issuer of the installation where they name none of their own. */
export function withIssuer(kinds: Kinds, issuer: string): Kinds {
  return kindTable(
    [...kinds.values()].map((kind) => ({ ...kind, jwt: { ...kind.jwt, issuer: kind.jwt.issuer ?? issuer } })),
  );
}
