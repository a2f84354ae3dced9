import type { JsonObject } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { SecretDigest, Token } from "../domain/token.ts";

/**
 * The token with this id from a record as the first Latchkeys packed it (`latchkey.store.v1.TokenRecord`). Throws if the bytes are
 * damaged.
 */
export function readProtobufRecord(id: string, bytes: Uint8Array): Token {
  const token = readToken(new BinaryReader(bytes));
  if (token.id !== id) throw new RangeError("a record is that of another token");
  return token;
}

/** Field by field: reading by reflection costs five times as much. */
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
