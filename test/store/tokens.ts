import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { TokenRecordSchema } from "../../gen/latchkey/store/v1/record_pb.ts";
import { changed, type Owner, type Token } from "../../src/domain/token.ts";
import type { TokenStore } from "../../src/store/token-store.ts";

export const HOUR = 3_600_000;

/** Names that upset one system or another. */
export const WEIRD_NAMES = ["a:b", "{tag}", "*", "%2F", "a/b", "ü ñ", "日本", "\u202Eabc", " ", "'; --", "😀"];

/** An owner that no other test has. */
export function newOwner(subject = "alice"): Owner {
  return { tenant: `tenant-${randomBytes(6).toString("hex")}`, subject };
}

/** A plain permanent token of the owner, with an id that fits the store. */
export function newToken(store: Pick<TokenStore, "shardTag">, owner: Owner, fields: Partial<Token> = {}): Token {
  return {
    ...owner,
    version: 1,
    revision: 1,
    id: store.shardTag(owner) + randomBytes(8).toString("hex"),
    kind: "personal",
    label: "",
    hint: "lk_pat_0001",
    scopes: ["read"],
    audiences: [],
    claims: undefined,
    clientId: "",
    parentId: "",
    creator: "root",
    createTime: Date.now(),
    expireTime: undefined,
    purgeTime: undefined,
    lastUsedTime: undefined,
    idleTimeout: undefined,
    active: true,
    usesLeft: undefined,
    digests: [
      { keyVersion: 1, digest: new Uint8Array(32).fill(7), source: "", until: undefined, pendingGrace: undefined },
    ],
    holdsLabel: false,
    holdsPlace: false,
    ...fields,
  };
}

export async function insertToken(store: TokenStore, owner: Owner, fields: Partial<Token> = {}): Promise<Token> {
  const token = newToken(store, owner, fields);
  const answer = await store.insert(token);
  if (answer !== "inserted") throw new Error(`not inserted: ${answer}`);
  return token;
}

/** Inserts so many tokens of the owner, a hundred at a time. */
export async function insertMany(
  store: TokenStore,
  owner: Owner,
  count: number,
  fieldsOf: (index: number) => Partial<Token> = () => ({}),
): Promise<Token[]> {
  const tokens: Token[] = [];
  while (tokens.length < count) {
    const some = Array.from({ length: Math.min(100, count - tokens.length) }, (_, n) => fieldsOf(tokens.length + n));
    tokens.push(...(await Promise.all(some.map((fields) => insertToken(store, owner, fields)))));
  }
  return tokens;
}

/** The token with its last use at `time`, and its end and purge moved on with it, also from beyond its end: a store does not judge. */
export function usedAt(token: Token, time: number): Token {
  const shift = time - (token.lastUsedTime ?? token.createTime);
  return changed(token, { lastUsedTime: time, purgeTime: (token.purgeTime ?? 0) + shift });
}

/** The record of a token as the first Latchkeys packed it. */
export function encodeProtobufRecord(token: Token): Buffer {
  const { createTime, expireTime, purgeTime, lastUsedTime, idleTimeout, claims, usesLeft, digests, ...same } = token;
  const long = <Name extends string>(name: Name, value: number | undefined) =>
    value === undefined ? {} : ({ [name]: BigInt(value) } as Record<Name, bigint>);
  const record = create(TokenRecordSchema, {
    ...same,
    scopes: [...token.scopes],
    audiences: [...token.audiences],
    claims: claims === undefined ? "" : JSON.stringify(claims),
    createTime: BigInt(createTime),
    ...long("expireTime", expireTime),
    ...long("purgeTime", purgeTime),
    ...long("lastUsedTime", lastUsedTime),
    ...long("idleTimeout", idleTimeout),
    ...(usesLeft !== undefined && { usesLeft }),
    digests: digests.map(({ digest, until, pendingGrace, ...rest }) => ({
      ...rest,
      digest: new Uint8Array(digest),
      ...long("until", until),
      ...long("pendingGrace", pendingGrace),
    })),
  });
  return Buffer.from(toBinary(TokenRecordSchema, record));
}
