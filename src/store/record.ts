import { create, fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { type TokenRecord, TokenRecordSchema } from "#gen/latchkey/store/v1/record_pb.ts";
import type { Token } from "../domain/token.ts";
import { TokenError } from "../errors.ts";

/** The bytes in which both stores keep a token. Equal tokens give equal bytes. */
export function encodeRecord(token: Token): Buffer {
  const bytes = toBinary(TokenRecordSchema, toRecord(token));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The token that `encodeRecord` packed.
 *
 * @throws STORE_UNAVAILABLE if the bytes are damaged.
 */
export function decodeRecord(bytes: Uint8Array): Token {
  try {
    return toToken(fromBinary(TokenRecordSchema, bytes));
  } catch (cause) {
    throw new TokenError("STORE_UNAVAILABLE", "a stored record is damaged", { cause });
  }
}

/** How a record of this version begins. It is what a compare-and-set compares. */
export function versionBytes(version: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = 0x0d;
  bytes.writeUInt32LE(version, 1);
  return bytes;
}

function toRecord(token: Token): TokenRecord {
  const { createTime, expireTime, purgeTime, lastUsedTime, idleTimeout, claims, usesLeft, digests, ...same } = token;
  return create(TokenRecordSchema, {
    ...same,
    scopes: [...token.scopes],
    audiences: [...token.audiences],
    claims: claims === undefined ? "" : JSON.stringify(claims),
    createTime: BigInt(createTime),
    ...(expireTime !== undefined && { expireTime: BigInt(expireTime) }),
    ...(purgeTime !== undefined && { purgeTime: BigInt(purgeTime) }),
    ...(lastUsedTime !== undefined && { lastUsedTime: BigInt(lastUsedTime) }),
    ...(idleTimeout !== undefined && { idleTimeout: BigInt(idleTimeout) }),
    ...(usesLeft !== undefined && { usesLeft }),
    digests: digests.map(({ keyVersion, digest, source, until, pendingGrace }) => ({
      keyVersion,
      digest: new Uint8Array(digest),
      source,
      ...(until !== undefined && { until: BigInt(until) }),
      ...(pendingGrace !== undefined && { pendingGrace: BigInt(pendingGrace) }),
    })),
  });
}

// Field by field, because this runs for every introspection, and copying the rest of an object costs as much as decoding it.
function toToken(record: TokenRecord): Token {
  return {
    version: record.version,
    revision: record.revision,
    id: record.id,
    tenant: record.tenant,
    subject: record.subject,
    kind: record.kind,
    label: record.label,
    hint: record.hint,
    scopes: record.scopes,
    audiences: record.audiences,
    claims: record.claims === "" ? undefined : (JSON.parse(record.claims) as JsonObject),
    clientId: record.clientId,
    parentId: record.parentId,
    creator: record.creator,
    createTime: Number(record.createTime),
    expireTime: toNumber(record.expireTime),
    purgeTime: toNumber(record.purgeTime),
    lastUsedTime: toNumber(record.lastUsedTime),
    idleTimeout: toNumber(record.idleTimeout),
    active: record.active,
    usesLeft: record.usesLeft,
    // A copy, so that the digest does not keep a whole answer of Redis in memory.
    digests: record.digests.map(({ keyVersion, digest, source, until, pendingGrace }) => ({
      keyVersion,
      digest: new Uint8Array(digest),
      source,
      until: toNumber(until),
      pendingGrace: toNumber(pendingGrace),
    })),
    holdsLabel: record.holdsLabel,
    holdsPlace: record.holdsPlace,
  };
}

function toNumber(time: bigint | undefined): number | undefined {
  return time === undefined ? undefined : Number(time);
}
