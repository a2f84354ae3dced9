import type { Credential } from "./caller.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How a family of tokens lives. Durations are milliseconds. */
export interface Kind {
  readonly name: string;
  /** What secrets begin with, before the underscore. No two kinds share one. */
  readonly prefix: string;
  /** The life of a token for which none is asked. Undefined: permanent. */
  readonly defaultLifetime: number | undefined;
  /** The longest life that can be asked for. Undefined: any. */
  readonly maxLifetime: number | undefined;
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
  /** A scheme of the `authorization` header that stands for this kind, for example `OrgUserApiToken`. */
  readonly scheme: string | undefined;
  /** With which credentials a caller may create it for itself. Administrators and the root always may. */
  readonly creators: readonly Credential[];
  /** How long after its expiry a token is still listed as EXPIRED. */
  readonly retention: number;
}

/** The kinds of an installation, by name. */
export type Kinds = ReadonlyMap<string, Kind>;

/** What a field means where a kinds file leaves it out. */
export const kindDefaults: Omit<Kind, "name" | "prefix"> = {
  defaultLifetime: 90 * DAY,
  maxLifetime: undefined,
  permanent: false,
  defaultUses: undefined,
  maxUses: undefined,
  maxPerSubject: undefined,
  uniqueLabels: false,
  scheme: undefined,
  creators: [],
  retention: DAY,
};

/** The kinds that every installation starts with, unless `LATCHKEY_KINDS` names others. */
export const builtInKinds: Kinds = kindTable([
  { ...kindDefaults, name: "personal", prefix: "lk_pat", permanent: true, creators: ["token", "jwt", "certificate"] },
  { ...kindDefaults, name: "service", prefix: "lk_svc", permanent: true },
  { ...kindDefaults, name: "session", prefix: "lk_ses", defaultLifetime: 10 * HOUR, maxLifetime: 31 * DAY },
  { ...kindDefaults, name: "refresh", prefix: "lk_ref", defaultLifetime: 31 * DAY, maxLifetime: 31 * DAY },
  {
    ...kindDefaults,
    name: "link",
    prefix: "lk_link",
    defaultLifetime: 15 * MINUTE,
    maxLifetime: DAY,
    defaultUses: 1,
    maxUses: 1,
  },
]);

export function kindTable(kinds: readonly Kind[]): Kinds {
  return new Map(kinds.map((kind) => [kind.name, kind]));
}
