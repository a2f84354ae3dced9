import { create, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type TokenRecord, TokenRecordSchema } from "#gen/latchkey/store/v1/record_pb.ts";
import type { SecretDigest, Token } from "../domain/token.ts";
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
    return readToken(new BinaryReader(bytes));
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

/** Field by field, because this runs for every introspection, and reading by reflection costs five times as much. */
function readToken(reader: BinaryReader): Token {
  const scopes: string[] = [];
  const audiences: string[] = [];
  const digests: SecretDigest[] = [];
  const token: { -readonly [Field in keyof Token]: Token[Field] } = { ...EMPTY, scopes, audiences, digests };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    switch (field) {
      case 1:
        token.version = reader.fixed32();
        break;
      case 2:
        token.revision = reader.uint32();
        break;
      case 3:
        token.id = reader.string();
        break;
      case 4:
        token.tenant = reader.string();
        break;
      case 5:
        token.subject = reader.string();
        break;
      case 6:
        token.kind = reader.string();
        break;
      case 7:
        token.label = reader.string();
        break;
      case 8:
        token.hint = reader.string();
        break;
      case 9:
        scopes.push(reader.string());
        break;
      case 10:
        audiences.push(reader.string());
        break;
      case 11:
        token.claims = JSON.parse(reader.string()) as JsonObject;
        break;
      case 12:
        token.clientId = reader.string();
        break;
      case 13:
        token.parentId = reader.string();
        break;
      case 14:
        token.creator = reader.string();
        break;
      case 15:
        token.createTime = Number(reader.int64());
        break;
      case 16:
        token.expireTime = Number(reader.int64());
        break;
      case 17:
        token.purgeTime = Number(reader.int64());
        break;
      case 18:
        token.lastUsedTime = Number(reader.int64());
        break;
      case 19:
        token.active = reader.bool();
        break;
      case 20:
        token.usesLeft = reader.int32();
        break;
      case 21:
        digests.push(readDigest(reader, reader.uint32()));
        break;
      case 22:
        token.holdsLabel = reader.bool();
        break;
      case 23:
        token.holdsPlace = reader.bool();
        break;
      case 24:
        token.idleTimeout = Number(reader.int64());
        break;
      default:
        reader.skip(type, field);
    }
  }
  return token;
}

function readDigest(reader: BinaryReader, length: number): SecretDigest {
  const end = reader.pos + length;
  const digest: { -readonly [Field in keyof SecretDigest]: SecretDigest[Field] } = { ...EMPTY_DIGEST };
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    switch (field) {
      case 1:
        digest.keyVersion = reader.uint32();
        break;
      case 2:
        // A copy, so that the digest does not keep a whole answer of Redis in memory.
        digest.digest = new Uint8Array(reader.bytes());
        break;
      case 3:
        digest.source = reader.string();
        break;
      case 4:
        digest.until = Number(reader.int64());
        break;
      case 5:
        digest.pendingGrace = Number(reader.int64());
        break;
      default:
        reader.skip(type, field);
    }
  }
  return digest;
}

const EMPTY_DIGEST: SecretDigest = {
  keyVersion: 0,
  digest: new Uint8Array(0),
  source: "",
  until: undefined,
  pendingGrace: undefined,
};

/** What a field is that protobuf leaves out. */
const EMPTY: Token = {
  version: 0,
  revision: 0,
  id: "",
  tenant: "",
  subject: "",
  kind: "",
  label: "",
  hint: "",
  scopes: [],
  audiences: [],
  claims: undefined,
  clientId: "",
  parentId: "",
  creator: "",
  createTime: 0,
  expireTime: undefined,
  purgeTime: undefined,
  lastUsedTime: undefined,
  idleTimeout: undefined,
  active: false,
  usesLeft: undefined,
  digests: [],
  holdsLabel: false,
  holdsPlace: false,
};
