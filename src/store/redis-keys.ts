import type { Owner, Token } from "../domain/token.ts";
import { hashTagOf } from "./redis-slots.ts";
import { restOf, tagIn } from "./shard.ts";

/**
 * The names of all keys in Redis. What belongs to one owner has one hash tag, so that it lies in one slot of a cluster
 * and one script can change it as a whole.
 */
export const META_KEY = "lk:meta";

/** An empty string that is written for the replicas to follow, and removed at once. */
export const TICK_KEY = "lk:tick";

/** The same in the slot of another key. */
export function tickKey(key: string): string {
  return `${TICK_KEY}:{${hashTagOf(key)}}`;
}

/** Never there. */
export const FREE_KEY = "lk:none";

/** A set: the fingerprints of the service keys. */
export const FINGERPRINTS_KEY = "lk:keys";

/** Where the scripts announce changes: `changed <id>` or `deleted <id> <id>…`. */
export const CHANGES_CHANNEL = "lk:changes";

/** A string: the packed record. */
export function recordKey(id: string): string {
  return `lk:t:{${tagIn(id)}}:${id}`;
}

/** A sorted set of an owner's tokens as `indexMember`, by their time of creation. */
export function indexKey(tag: string, owner: Owner): string {
  return `lk:s:{${tag}}:${ownerPart(owner)}`;
}

/** A sorted set of the tokens that hold a place under the cap, by the time until which they do. */
export function placesKey(tag: string, token: Owner & Pick<Token, "kind">): string {
  return `lk:k:{${tag}}:${ownerPart(token)}/${encode(token.kind)}`;
}

/** A string: the id of the token that holds the label. */
export function labelKey(tag: string, token: Owner & Pick<Token, "kind" | "label">): string {
  return `lk:l:{${tag}}:${ownerPart(token)}/${encode(token.kind)}/${encode(token.label)}`;
}

/** A sorted set of the tokens that were made from one, by their purge time. */
export function childrenKey(id: string): string {
  return `lk:c:{${tagIn(id)}}:${id}`;
}

/** A string: what is kept under a name, as a claim or as the mark of a write. */
export function claimKey(tag: string, name: string): string {
  return `lk:r:{${tag}}:${name}`;
}

/** A string: the id of the token that goes by this name, whose owner the name does not tell. So it lies in a slot of its own. */
export function aliasKey(alias: string): string {
  return `lk:a:${alias}`;
}

/** A string that stays for a moment only: a removal holds up the owner's other writes, because they kept outrunning it. */
export function pauseKey(tag: string, owner: Owner): string {
  return `lk:p:{${tag}}:${ownerPart(owner)}`;
}

/** A sorted set of the tenant's subjects in one shard, by the latest purge time of their tokens. */
export function subjectsKey(tag: string, tenant: string): string {
  return `lk:n:{${tag}}:${encode(tenant)}`;
}

/**
 * How an index names a token: `<id without its tag>.<purge time in seconds, base 36; empty if permanent>`. The time lets
 * a script tell dead members without a look at their records. The dot sorts before all that ids consist of, so members
 * of one instant sort like their ids.
 */
export function indexMember({ id, purgeTime }: Pick<Token, "id" | "purgeTime">): string {
  return `${restOf(id)}.${purgeTime === undefined ? "" : Math.ceil(purgeTime / 1000).toString(36)}`;
}

/** The id that an index means by a member. */
export function idOfMember(tag: string, member: string): string {
  return tag + member.slice(0, member.lastIndexOf("."));
}

/** No two owners have the same: the encoding leaves no slash inside a name. */
function ownerPart({ tenant, subject }: Owner): string {
  return `${encode(tenant)}/${encode(subject)}`;
}

function encode(name: string): string {
  return encodeURIComponent(name);
}
