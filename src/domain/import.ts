import type { JsonObject } from "@bufbuild/protobuf";
import { fieldError, TokenError } from "../errors.ts";
import { aliasesOf } from "./alias.ts";
import { createCaller } from "./caller.ts";
import { checkClaims } from "./claims.ts";
import type { Context } from "./context.ts";
import { type Evidence, makeDigest } from "./digest.ts";
import { requireKind, requireScopes, requireTenant } from "./entitlement.ts";
import type { ImportedSource } from "./imported.ts";
import { capOf, draftOf, refuseInsert, resolveUses } from "./issue.ts";
import type { Kind } from "./kinds.ts";
import { checkExpireTime, purgeTimeOf, requirePermanent } from "./lifetime.ts";
import { normalizeScopes } from "./scopes.ts";
import { makeId, tagOf } from "./secret.ts";
import { endOf, type Owner, type Token } from "./token.ts";

/** What the import of tokens works with. */
export type ImportContext = Pick<Context, "store" | "kinds" | "keys" | "clock">;

/** A token of another system. Empty texts mean: not said. Times are milliseconds since 1970. */
export interface ForeignToken extends Owner {
  /** Which entry of the keys file tells how its secret is recognised. */
  readonly source: string;
  /** What the other system keeps of the secret: hex or base64. */
  readonly digest: string;
  /** The `jti` of its JWT. */
  readonly jwtId: string;
  readonly kind: string;
  readonly label: string;
  /** The first characters of the secret, for people to tell their tokens apart. */
  readonly hint: string;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly claims: JsonObject | undefined;
  readonly clientId: string;
  /** Undefined: the moment of the import. */
  readonly createTime: number | undefined;
  /** Undefined: permanent. */
  readonly expireTime: number | undefined;
  readonly active: boolean;
  /** Undefined: as many as its kind has. */
  readonly usesLeft: number | undefined;
}

/**
 * How long after a token was imported the same run knows that it was, in milliseconds: so long, repeating a part of it does not
 * bring back what was deleted since.
 */
export const REMEMBERED = 7 * 24 * 3_600_000;

/** Whoever imports has the store and the keys, and may do what the root may. */
const importer = createCaller({
  credential: "root",
  tenant: "default",
  subject: "import",
  scopes: ["latchkey:root"],
});

/**
 * Adds a token of another system, so that the secret it has there is good here. Idempotent: `known` says that the token was
 * imported before, whatever was changed since. One that was deleted since comes back, but not within the same run.
 *
 * @param run names one import of many tokens.
 * @throws INVALID_REQUEST, CONFLICT (another owner's token has the secret) and what Create throws, all of them about a field;
 * STORE_UNAVAILABLE
 */
export async function importToken(
  context: ImportContext,
  run: string,
  foreign: ForeignToken,
): Promise<"imported" | "known"> {
  const { store, keys } = context;
  const { kind, draft } = draftForeign(context, foreign);
  const evidence = evidenceOf(keys.imported, foreign);
  const aliases = aliasesOf(keys, evidence);
  const tag = store.shardTag(foreign);
  const knownId = (await store.findAliases(aliases)).find((id) => id !== undefined);
  const id = knownId ?? makeId(tag, () => aliases[0]);
  const known = await store.find(id);
  if (tagOf(id) !== tag || (known && !isSameOwner(known, foreign))) throw takenByAnother(foreign);
  if (known) return "known";
  const token = { ...draft, id, digests: [makeDigest(keys, evidence)] };
  // The names first: one that leads to nothing does no harm, and a token without one could not be used. All of them, so that
  // an instance that lacks the newest key finds the token, and can tell that it lacks it. They last as long as the token may be
  // used: an end for want of use moves on, and no use renews them.
  const lastTime = purgeTimeOf(kind, token.expireTime);
  const naming = Promise.all(aliases.map((alias) => store.addAlias(alias, id, lastTime)));
  await unlessConflict(naming, () => {
    throw takenByAnother(foreign);
  });
  return insertForeign(context, run, kind, token);
}

async function insertForeign(
  { store, clock }: ImportContext,
  run: string,
  kind: Kind,
  token: Token,
): Promise<"imported" | "known"> {
  const mark = { name: `import ${run} ${token.id}`, value: token.id, until: clock() + REMEMBERED };
  const outcome = await unlessConflict(store.insert(token, { cap: capOf(kind), mark }), () => "repeated" as const);
  if (outcome === "inserted") return "imported";
  if (outcome === "repeated") return "known";
  if (outcome !== "cap-reached") throw refuseInsert(outcome, kind);
  throw fieldError(
    "CAP_REACHED",
    "subject",
    `has ${capOf(kind)} live tokens of kind ${kind.name}, the most there may be`,
  );
}

/** What `other` answers if the write is refused, because somebody else made another one with the same name at the same moment. */
async function unlessConflict<T>(write: Promise<T>, other: () => T): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof TokenError && error.reason === "CONFLICT") return other();
    throw error;
  }
}

function draftForeign(
  { kinds, clock }: ImportContext,
  foreign: ForeignToken,
): { kind: Kind; draft: Omit<Token, "id" | "digests"> } {
  const now = clock();
  const kind = requireKind(kinds, importer, foreign.kind, now);
  requireTenant(kind, foreign.tenant);
  requireScopes(importer, foreign.scopes);
  const fields = draftOf(kind, foreign, resolveCreateTime(foreign.createTime, now), {
    label: foreign.label,
    scopes: normalizeScopes(foreign.scopes),
    audiences: normalizeScopes(foreign.audiences),
    claims: checkClaims(foreign.claims),
    clientId: foreign.clientId,
    creator: "import",
    expireTime: resolveEnd(kind, foreign.expireTime, now),
    active: foreign.active,
    usesLeft: resolveUses(kind, "uses_left", foreign.usesLeft),
  });
  // When it was used last is not known here, so the time that it may go unused begins now.
  const lastUsedTime = kind.idleTimeout === undefined ? undefined : now;
  const purgeTime = purgeTimeOf(kind, endOf({ ...fields, lastUsedTime }));
  return { kind, draft: { ...fields, hint: foreign.hint, lastUsedTime, purgeTime } };
}

function resolveCreateTime(createTime: number | undefined, now: number): number {
  if (createTime === undefined) return now;
  if (createTime > now) throw fieldError("INVALID_REQUEST", "create_time", "is in the future");
  if (createTime < 0) throw fieldError("INVALID_REQUEST", "create_time", "is before 1970");
  return createTime;
}

function resolveEnd(kind: Kind, expireTime: number | undefined, now: number): number | undefined {
  if (expireTime === undefined) {
    requirePermanent(kind, "expire_time");
    return undefined;
  }
  if (expireTime <= now) throw fieldError("LIFETIME_INVALID", "expire_time", "is past: the token is expired already");
  // Of the lives that a kind names, what is left of a token's is none.
  return checkExpireTime(kind, "expire_time", expireTime, now);
}

function evidenceOf(sources: readonly ImportedSource[], { source, digest, jwtId }: ForeignToken): Evidence {
  const found = sources.find(({ name }) => name === source);
  if (!found) {
    const names = sources.map(({ name }) => name).join(", ");
    throw fieldError("INVALID_REQUEST", "source", `none of those that the keys file imports: ${names}`);
  }
  if (found.digestBytes === undefined) return { source, material: requireJwtId(source, digest, jwtId) };
  if (jwtId !== "")
    throw fieldError("INVALID_REQUEST", "jwt_id", `not for ${source}, whose secrets are known by digests`);
  return { source, material: readDigest(digest, found.digestBytes) };
}

function requireJwtId(source: string, digest: string, jwtId: string): string {
  if (digest !== "") throw fieldError("INVALID_REQUEST", "digest", `not for ${source}, whose secrets are JWTs`);
  if (jwtId === "") throw fieldError("INVALID_REQUEST", "jwt_id", "is missing");
  return jwtId;
}

/** The hex digits of a digest in hex, base64 or base64url. */
function readDigest(digest: string, length: number): string {
  if (digest === "") throw fieldError("INVALID_REQUEST", "digest", "is missing");
  if (/^[0-9a-f]*$/i.test(digest) && digest.length === 2 * length) return digest.toLowerCase();
  const bytes = Buffer.from(digest, "base64url");
  const isWhole =
    bytes.toString("base64url") ===
    digest
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/={1,2}$/, "");
  if (isWhole && bytes.length === length) return bytes.toString("hex");
  throw fieldError("INVALID_REQUEST", "digest", `must be ${length} bytes in hex or base64`);
}

function isSameOwner(one: Owner, other: Owner): boolean {
  return one.tenant === other.tenant && one.subject === other.subject;
}

function takenByAnother({ digest }: ForeignToken): TokenError {
  return fieldError("CONFLICT", digest === "" ? "jwt_id" : "digest", "was imported for another tenant or subject");
}
