import { FIXED_CLAIMS } from "../domain/jwt.ts";
import { inWords, lengthOf, type Span } from "../domain/span.ts";
import type { KindEntry } from "./kinds-schema.ts";

type Lists = "allowed_lifetimes" | "exchanges_to";

/** What of a kind's entry is well-formed in itself. A field that is there and undefined is not. */
export type SoundKind = Partial<Omit<KindEntry, Lists>> & {
  readonly allowed_lifetimes?: readonly (Span | undefined)[] | undefined;
  readonly exchanges_to?: readonly (SoundRule | undefined)[] | undefined;
};
type SoundRule = Partial<NonNullable<KindEntry["exchanges_to"]>[number]>;

/** What is wrong at a place: a path within the list of kinds. */
export interface Contradiction {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** All in which kinds contradict themselves or each other. */
export function findContradictions(kinds: readonly (SoundKind | undefined)[]): Contradiction[] {
  const own = kinds.map((kind) => (kind ? [...breachesOf(kind), ...findListFaults(kind)] : []));
  const found = [own, findRepeats(kinds), findExchangeFaults(kinds), findHeirs(kinds)];
  return found.flatMap((faults) =>
    faults.flatMap((ofKind, index) => ofKind.map(({ path, message }) => ({ path: [index, ...path], message }))),
  );
}

/** What the fields of a kind must not say together. */
interface Rule {
  /** The field that is at fault, and those that the rule goes by besides. If one of them is wrong in itself, that comes first. */
  readonly fields: readonly [keyof KindEntry, ...(keyof KindEntry)[]];
  readonly message: string;
  readonly breaks: (kind: SoundKind) => boolean;
}

const RULES: readonly Rule[] = [
  {
    fields: ["prefix", "format"],
    message: "is missing",
    breaks: ({ prefix, format = "opaque" }) => format === "opaque" && prefix === undefined,
  },
  {
    fields: ["prefix", "format"],
    message: "is for opaque tokens: a JWT has none",
    breaks: ({ prefix, format }) => format === "jwt" && prefix !== undefined,
  },
  {
    fields: ["jwt", "format"],
    message: "needs format: jwt",
    breaks: ({ jwt, format = "opaque" }) => format === "opaque" && jwt !== undefined,
  },
  {
    fields: ["default_lifetime", "permanent"],
    message: "needs permanent: true",
    breaks: ({ default_lifetime, permanent }) => default_lifetime === "permanent" && !permanent,
  },
  {
    fields: ["default_lifetime", "max_lifetime"],
    message: "is longer than max_lifetime",
    breaks: ({ default_lifetime, max_lifetime }) =>
      default_lifetime !== "permanent" && isLonger(default_lifetime, max_lifetime),
  },
  {
    fields: ["default_lifetime", "allowed_lifetimes"],
    message: "must be one of allowed_lifetimes",
    breaks: ({ default_lifetime = "permanent", allowed_lifetimes }) =>
      default_lifetime !== "permanent" && allowed_lifetimes?.every((span) => !isSame(span, default_lifetime)) === true,
  },
  {
    fields: ["idle_timeout", "max_lifetime", "permanent"],
    message: "must be shorter than max_lifetime, or no token would come to it",
    breaks: ({ idle_timeout, max_lifetime, permanent }) =>
      !permanent && idle_timeout !== undefined && max_lifetime !== undefined && !isLonger(max_lifetime, idle_timeout),
  },
  {
    fields: ["default_uses", "max_uses"],
    message: "is more than max_uses",
    breaks: ({ default_uses = 0, max_uses = Number.POSITIVE_INFINITY }) => default_uses > max_uses,
  },
  {
    fields: ["max_per_subject", "reuse"],
    message: "excludes reuse: true, with which a subject has one",
    breaks: ({ max_per_subject, reuse }) => max_per_subject !== undefined && reuse === true,
  },
  {
    fields: ["unique_labels", "reuse"],
    message: "excludes reuse: true, with which a subject has one token",
    breaks: ({ unique_labels, reuse }) => unique_labels === true && reuse === true,
  },
  {
    fields: ["scheme"],
    message: "is taken by every kind",
    breaks: ({ scheme = "" }) => ["bearer", "token", "basic"].includes(scheme.toLowerCase()),
  },
  {
    fields: ["fresh_login", "creators"],
    message: "needs jwt among creators: nothing else tells when somebody has logged in",
    breaks: ({ fresh_login, creators = [] }) => fresh_login !== undefined && !creators.includes("jwt"),
  },
];

function breachesOf(kind: SoundKind): Contradiction[] {
  const isWrong = (field: keyof KindEntry) => field in kind && kind[field] === undefined;
  return RULES.filter(({ fields, breaks }) => !fields.some(isWrong) && breaks(kind)).map(
    ({ fields: [field], message }) => ({ path: [field], message }),
  );
}

/** What is wrong with single ones of a list. */
function findListFaults(kind: SoundKind): Contradiction[] {
  const { allowed_lifetimes: lives = [], exchanges_to: rules = [] } = kind;
  const found: Contradiction[] = [];
  for (const [index, span] of lives.entries()) {
    const path = ["allowed_lifetimes", index];
    if (isLonger(span, kind.max_lifetime)) found.push({ path, message: "is longer than max_lifetime" });
    if (lives.slice(0, index).some((other) => isSame(other, span))) found.push({ path, message: "is there twice" });
  }
  for (const [index, rule] of rules.entries()) {
    if (rule?.rotate && rule.consume) {
      found.push({ path: ["exchanges_to", index, "rotate"], message: "excludes consume: true" });
    }
  }
  for (const name of Object.keys(kind.jwt?.claims ?? {})) {
    const message = claimFault(name);
    if (message !== undefined) found.push({ path: ["jwt", "claims", name], message });
  }
  return found;
}

function claimFault(name: string): string | undefined {
  if (FIXED_CLAIMS.includes(name)) return "is for Latchkey to set";
  if (name === "iss") return "is what issuer says";
  if (/^[A-Za-z][\w.:/-]{0,127}$/.test(name)) return undefined;
  return "must begin with a letter and go on with letters, digits and _ . : / -, 128 characters at most";
}

/** For each kind, what an earlier one has already. */
function findRepeats(kinds: readonly (SoundKind | undefined)[]): Contradiction[][] {
  const found = kinds.map((): Contradiction[] => []);
  for (const field of ["name", "prefix", "scheme"] as const) {
    const values = kinds.map((kind) => kind?.[field]?.toLowerCase());
    for (const [index, value] of values.entries()) {
      if (value === undefined || values.indexOf(value) === index) continue;
      found[index]?.push({ path: [field], message: "is another kind's too" });
    }
  }
  return found;
}

/** For each kind, what is wrong with what it is exchanged for. */
function findExchangeFaults(kinds: readonly (SoundKind | undefined)[]): Contradiction[][] {
  const targets = new Map<string, string[]>();
  for (const { name, exchanges_to = [] } of kinds.flatMap((kind) => kind ?? [])) {
    if (name === undefined) continue;
    targets.set(name, [...(targets.get(name) ?? []), ...exchanges_to.flatMap((rule) => rule?.kind ?? [])]);
  }
  const isUnsure = kinds.some((kind) => kind?.name === undefined);

  function faultOf(source: string | undefined, wanted: readonly (string | undefined)[], index: number) {
    const target = wanted[index];
    if (target === undefined) return undefined;
    if (target === source) return "is the kind itself: let it rotate instead";
    if (wanted.indexOf(target) < index) return "is there twice";
    if (!targets.has(target)) return isUnsure ? undefined : "is none of the kinds of this file";
    if (source === undefined || !leadsTo(target, source)) return undefined;
    return "leads back here: such tokens would renew themselves for ever";
  }

  function leadsTo(start: string, end: string): boolean {
    const reached = new Set([start]);
    for (const name of reached) for (const target of targets.get(name) ?? []) reached.add(target);
    return reached.has(end);
  }

  return kinds.map((kind) => {
    const wanted = (kind?.exchanges_to ?? []).map((rule) => rule?.kind);
    return wanted.flatMap((_, index) => {
      const message = faultOf(kind?.name, wanted, index);
      return message === undefined ? [] : [{ path: ["exchanges_to", index, "kind"], message }];
    });
  });
}

/**
 * What a token is used up for takes its place, with a life of its own. Where that token came of an exchange itself, the new one would
 * outlive what both came from, and not be found any more when that is deleted.
 */
function findHeirs(kinds: readonly (SoundKind | undefined)[]): Contradiction[][] {
  const children = new Set(kinds.flatMap((kind) => (kind?.exchanges_to ?? []).flatMap((rule) => rule?.kind ?? [])));
  const message =
    "must be false: other kinds are exchanged for this one, and what it is used up for would outlive them";
  return kinds.map((kind) => {
    if (kind?.name === undefined || !children.has(kind.name)) return [];
    const rules = kind.exchanges_to ?? [];
    return rules.flatMap((rule, index) =>
      rule?.consume ? [{ path: ["exchanges_to", index, "consume"], message }] : [],
    );
  });
}

function isLonger(span: Span | undefined, other: Span | undefined): boolean {
  return span !== undefined && other !== undefined && lengthOf(span) > lengthOf(other);
}

function isSame(span: Span | undefined, other: Span | undefined): boolean {
  return span !== undefined && other !== undefined && inWords(span) === inWords(other);
}
