import { createHash, createHmac, randomBytes } from "node:crypto";
import { TokenError } from "../errors.ts";
import type { Mark } from "../store/token-store.ts";
import { derivedBase62, type RandomText, randomBase62 } from "./base62.ts";
import { type Caller, nameOf } from "./caller.ts";
import type { Context } from "./context.ts";
import type { KeyRing } from "./keys.ts";
import { mintSecret, type Recipe } from "./mint.ts";
import { tokenNotFound } from "./refusals.ts";
import { isPurged, type Token } from "./token.ts";

// A request that carries a request id leaves two things in the store for 24 hours: a claim, made before anything else, which
// holds a fingerprint of the request and a random salt; and a mark, made in the same atomic step as the token, which says
// that it was made and how. Ids and secrets of such a request are derived from the service key, the caller, the request id and
// the salt, so that a repeat makes the same ones again, though no secret is stored.

const LASTS = 24 * 3_600_000;
const MARGIN = 3_600_000;

/** A request that may come several times, and shall have one effect. */
export interface Request {
  /** A UUID. Empty: the request can't be repeated. */
  readonly id: string;
  /** Who makes it, and with which method: the id means something only to them. */
  readonly actor: readonly string[];
  /** The shard tag of the one who makes it: there the claim is kept. */
  readonly actorTag: string;
  /** The shard tag of the token that it is about: there the mark is. */
  readonly tokenTag: string;
  /** All that is asked for, as JSON can hold it. */
  readonly content: unknown;
}

/** A caller as the actor of a request to this method: whoever acts in another tenant is not the one of that name there. */
export function actorOf(method: string, caller: Caller): readonly string[] {
  return [method, caller.credential, caller.tenant, nameOf(caller)];
}

/** One go at a request. */
export interface Attempt {
  /** Those of the first attempt: the current one may have been another. */
  readonly keys: KeyRing;
  /** Randomness for a purpose, the same for all attempts. */
  random(purpose: string): RandomText;
  /** What the write of the effect carries, so that it happens once. */
  mark(recipes: readonly Recipe[]): Mark | undefined;
}

/** A token, and the secrets that were made with it. */
export interface Effect {
  readonly token: Token;
  readonly secrets: readonly string[];
}

/** How a request has its effect. */
export interface Steps {
  /** Whether it may have it at all: throws if not. Before this, nothing is stored. */
  check(): unknown;
  /** Has it; or tells that an earlier attempt had it meanwhile. */
  run(attempt: Attempt): Promise<Effect | "repeated">;
}

/**
 * Carries a request out once, however often it comes, and answers all who make it the same secrets.
 *
 * @throws REQUEST_ID_REUSED if the id was used for another request, TOKEN_NOT_FOUND if the token that it made is gone,
 * KEY_MISSING if the key that it was made with is, and what the steps throw.
 */
export async function carryOut(context: Context, request: Request, steps: Steps): Promise<Effect> {
  if (request.id === "") return firstAndOnly(context, steps);
  const earlier = await findAttempt(context, request);
  if (earlier?.effect) return earlier.effect;
  try {
    if (!earlier) await steps.check();
    const attempt = earlier?.attempt ?? (await makeAttempt(context, request));
    const effect = await steps.run(attempt);
    if (effect !== "repeated") return effect;
    throw tokenNotFound();
  } catch (error) {
    // What stands in the way may be the effect that another attempt has had meanwhile, and then it is ours, too.
    const other = await findAttempt(context, request);
    if (other?.effect) return other.effect;
    throw error;
  }
}

/** Makes the secret of a recipe, which has this place among those that the mark will hold. */
export function mintFor(attempt: Attempt, recipe: Recipe, place: number): string {
  return mintSecret(attempt.keys, recipe, attempt.random(`secret ${place}`));
}

async function firstAndOnly(context: Context, { run }: Steps): Promise<Effect> {
  const effect = await run({ keys: context.keys, random: () => randomBase62, mark: () => undefined });
  if (effect === "repeated") throw new Error("a request without an id can't be a repeat");
  return effect;
}

/** What a claim holds. */
interface ClaimValue {
  readonly fingerprint: string;
  readonly salt: string;
  readonly keyVersion: number;
  readonly time: number;
}

function claimName({ id, actor }: Request): string {
  return hash(JSON.stringify([id.toLowerCase(), ...actor]));
}

/** An earlier attempt at the request, and the effect that it had, if any. */
async function findAttempt(
  context: Context,
  request: Request,
): Promise<{ attempt: Attempt; effect: Effect | undefined } | undefined> {
  const text = await context.store.findClaim(request.actorTag, claimName(request));
  if (text === undefined) return undefined;
  const claim = readClaim(context, request, text);
  const attempt = attemptOf(context, request, claim);
  return { attempt, effect: await findEffect(context, request, attempt, claim) };
}

/** Makes the claim. Where another attempt was faster, its claim counts. */
async function makeAttempt(context: Context, request: Request): Promise<Attempt> {
  const { current } = context.keys;
  const time = context.clock();
  const salt = randomBytes(32).toString("base64url");
  const fingerprint = fingerprintOf(context.keys, request, salt);
  const value: ClaimValue = { fingerprint, salt, keyVersion: current.version, time };
  const kept = await context.store.claim({
    tag: request.actorTag,
    name: claimName(request),
    value: JSON.stringify(value),
    until: time + LASTS,
  });
  return attemptOf(context, request, readClaim(context, request, kept));
}

function readClaim(context: Context, request: Request, text: string): ClaimValue {
  const claim = JSON.parse(text) as ClaimValue;
  if (claim.fingerprint !== fingerprintOf(keysAt(context.keys, claim.keyVersion), request, claim.salt)) {
    throw new TokenError("REQUEST_ID_REUSED", "this request_id was used for another request");
  }
  return claim;
}

function attemptOf(context: Context, request: Request, claim: ClaimValue): Attempt {
  const name = claimName(request);
  const keys = keysAt(context.keys, claim.keyVersion);
  const salt = Buffer.from(claim.salt, "base64url");
  return {
    keys,
    random: (purpose) => derivedBase62(keys.current.request, salt, JSON.stringify([name, purpose])),
    mark: (recipes) => ({
      name: markOf(claim),
      value: JSON.stringify(recipes),
      // A claim never outlives its mark: a repeat in the moment of their end would have the effect again.
      until: claim.time + LASTS + MARGIN,
    }),
  };
}

/**
 * The effect of an earlier attempt; undefined if there was none.
 *
 * @throws TOKEN_NOT_FOUND if its token is gone.
 */
async function findEffect(
  context: Context,
  request: Request,
  attempt: Attempt,
  claim: ClaimValue,
): Promise<Effect | undefined> {
  const mark = await context.store.findClaim(request.tokenTag, markOf(claim));
  if (mark === undefined) return undefined;
  const recipes = JSON.parse(mark) as readonly [Recipe, ...Recipe[]];
  const token = await context.store.find(recipes[0].id);
  if (!token || isPurged(token, context.clock())) throw tokenNotFound();
  return { token, secrets: recipes.map((recipe, place) => mintFor(attempt, recipe, place)) };
}

function markOf({ salt }: ClaimValue): string {
  return hash(`mark ${salt}`);
}

/** The keys with that of an earlier moment as the current one. */
function keysAt(keys: KeyRing, version: number): KeyRing {
  const current = keys.byVersion.get(version);
  if (!current) throw new TokenError("KEY_MISSING", "the service key of this request_id is gone", { retryDelay: 1000 });
  return { ...keys, current };
}

function fingerprintOf(keys: KeyRing, { content }: Request, salt: string): string {
  return createHmac("sha256", keys.current.request).update(salt).update(canonical(content)).digest("base64url");
}

/** JSON with the names of all objects in order: clients may send them in any. */
function canonical(content: unknown): string {
  return JSON.stringify(content, (_, value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
