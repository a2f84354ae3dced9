import type { JsonObject } from "@bufbuild/protobuf";
import type { SecretDigest, Token } from "../domain/token.ts";
import { TokenError } from "../errors.ts";
import { readProtobufRecord } from "./protobuf-record.ts";
import { RecordReader, RecordWriter } from "./record-bytes.ts";

// A record is, one after the other: what versionBytes gives, the lowest flags, the last use, the other flags, and then what they
// tell. Nothing in it has a name or a tag, and it leaves out what follows from the rest or from the id that it is found by:
// every byte counts, where there are millions of them. A Redis script reads and writes version and last use (redis-use-script.ts),
// so these stay where they are. To add a field, add a flag: whoever does not know it takes the record for damaged, not for another.

/** The lowest bits of the byte that has the lowest flags: a protobuf record, as they were at first, has no such byte there. */
const MARK = 0b111;
const MARK_BITS = 3;
const MARK_PLACE = 5;
const LOW_FLAGS = 5;
const DIGEST_BYTES = 32;

const Flag = {
  active: 1,
  ascii: 1 << 1,
  /** It has one digest, made here, and nothing else is to say of that. */
  plainDigest: 1 << 2,
  /** Its hint ends with the beginning of the id, which is left out. */
  idHint: 1 << 3,
  expires: 1 << 4,
  purged: 1 << 5,
  /** Its creator is its owner. */
  ownCreator: 1 << 6,
  holdsLabel: 1 << 7,
  holdsPlace: 1 << 8,
  revised: 1 << 9,
  counted: 1 << 10,
  idles: 1 << 11,
  label: 1 << 12,
  parent: 1 << 13,
  client: 1 << 14,
  audiences: 1 << 15,
  claims: 1 << 16,
} as const;

/** The first that no record of today has. */
const UNKNOWN_FLAGS = 1 << 17;

/** The bytes in which both stores keep a token. Equal tokens give equal bytes. */
export function encodeRecord(token: Token): Buffer {
  const { id, hint, createTime, expireTime, purgeTime, lastUsedTime } = token;
  const flags = flagsOf(token);
  const writer = new RecordWriter();
  writer.raw(versionBytes(token.version));
  writer.byte(0);
  writer.time(lastUsedTime === undefined ? 0 : lastUsedTime + 1);
  writer.number(flags >> LOW_FLAGS);
  writer.number(createTime);
  if (expireTime !== undefined) writer.span(expireTime - createTime);
  if (purgeTime !== undefined) writer.span(purgeTime - (expireTime ?? createTime));
  if (flags & Flag.revised) writer.number(token.revision);
  if (token.usesLeft !== undefined) writer.number(token.usesLeft);
  if (token.idleTimeout !== undefined) writer.span(token.idleTimeout);
  writeDigests(writer, token.digests, flags);
  writer.text(token.tenant);
  writer.text(token.subject);
  writer.text(token.kind);
  writer.text(flags & Flag.idHint ? hint.slice(0, hint.length - startOf(id).length) : hint);
  writer.texts(token.scopes);
  if (!(flags & Flag.ownCreator)) writer.text(token.creator);
  if (flags & Flag.label) writer.text(token.label);
  if (flags & Flag.parent) writer.text(token.parentId);
  if (flags & Flag.client) writer.text(token.clientId);
  if (flags & Flag.audiences) writer.texts(token.audiences);
  if (token.claims !== undefined) writer.text(JSON.stringify(token.claims));
  const known = (flags | (writer.isAscii ? Flag.ascii : 0)) & ((1 << LOW_FLAGS) - 1);
  return writer.finish(MARK_PLACE, (known << MARK_BITS) | MARK);
}

/**
 * The token that `encodeRecord` packed, or an earlier Latchkey.
 *
 * @throws STORE_UNAVAILABLE if the bytes are damaged.
 */
export function decodeRecord(id: string, bytes: Uint8Array): Token {
  try {
    return ((bytes[MARK_PLACE] ?? 0) & MARK) === MARK ? readRecord(id, bytes) : readProtobufRecord(id, bytes);
  } catch (cause) {
    throw new TokenError("STORE_UNAVAILABLE", "a stored record is damaged", { cause });
  }
}

/** How a record of this version begins. It is what a compare-and-set compares. */
export function versionBytes(version: number): Buffer {
  const bytes = Buffer.allocUnsafe(MARK_PLACE);
  bytes[0] = 0x0d;
  bytes.writeUInt32LE(version, 1);
  return bytes;
}

function flagsOf(token: Token): number {
  const { label, parentId, clientId } = token;
  return (
    (token.active ? Flag.active : 0) |
    (hasPlainDigest(token.digests) ? Flag.plainDigest : 0) |
    (token.hint.endsWith(startOf(token.id)) ? Flag.idHint : 0) |
    (token.expireTime === undefined ? 0 : Flag.expires) |
    (token.purgeTime === undefined ? 0 : Flag.purged) |
    (token.creator === nameOfOwner(token) ? Flag.ownCreator : 0) |
    (token.holdsLabel ? Flag.holdsLabel : 0) |
    (token.holdsPlace ? Flag.holdsPlace : 0) |
    (token.revision === 1 ? 0 : Flag.revised) |
    (token.usesLeft === undefined ? 0 : Flag.counted) |
    (token.idleTimeout === undefined ? 0 : Flag.idles) |
    (label === "" ? 0 : Flag.label) |
    (parentId === "" ? 0 : Flag.parent) |
    (clientId === "" ? 0 : Flag.client) |
    (token.audiences.length === 0 ? 0 : Flag.audiences) |
    (token.claims === undefined ? 0 : Flag.claims)
  );
}

function readRecord(id: string, bytes: Uint8Array): Token {
  const reader = new RecordReader(bytes);
  if (reader.byte() !== 0x0d) throw new RangeError("a record does not begin like one");
  const version = reader.uint32();
  const low = reader.byte() >> MARK_BITS;
  if (low & Flag.ascii) reader.expectAscii();
  const lastUse = reader.time();
  const high = reader.number();
  if (high >= UNKNOWN_FLAGS >> LOW_FLAGS) throw new RangeError("a record is of a newer Latchkey");
  const flags = low | (high << LOW_FLAGS);
  const createTime = reader.number();
  const expireTime = flags & Flag.expires ? createTime + reader.span() : undefined;
  const purgeTime = flags & Flag.purged ? (expireTime ?? createTime) + reader.span() : undefined;
  const revision = flags & Flag.revised ? reader.number() : 1;
  const usesLeft = flags & Flag.counted ? reader.number() : undefined;
  const idleTimeout = flags & Flag.idles ? reader.span() : undefined;
  const digests = readDigests(reader, flags);
  const tenant = reader.text();
  const subject = reader.text();
  const kind = reader.text();
  const hint = reader.text();
  const scopes = reader.texts();
  const creator = flags & Flag.ownCreator ? nameOfOwner({ tenant, subject }) : reader.text();
  const label = flags & Flag.label ? reader.text() : "";
  const parentId = flags & Flag.parent ? reader.text() : "";
  const clientId = flags & Flag.client ? reader.text() : "";
  const audiences = flags & Flag.audiences ? reader.texts() : [];
  const claims = flags & Flag.claims ? (JSON.parse(reader.text()) as JsonObject) : undefined;
  reader.end();
  return {
    version,
    revision,
    id,
    tenant,
    subject,
    kind,
    label,
    hint: flags & Flag.idHint ? hint + startOf(id) : hint,
    scopes,
    audiences,
    claims,
    clientId,
    parentId,
    creator,
    createTime,
    expireTime,
    purgeTime,
    lastUsedTime: lastUse === 0 ? undefined : lastUse - 1,
    idleTimeout,
    active: (flags & Flag.active) !== 0,
    usesLeft,
    digests,
    holdsLabel: (flags & Flag.holdsLabel) !== 0,
    holdsPlace: (flags & Flag.holdsPlace) !== 0,
  };
}

function hasPlainDigest([only, ...others]: readonly SecretDigest[]): boolean {
  if (!only || others.length > 0 || only.digest.length !== DIGEST_BYTES) return false;
  return only.source === "" && only.until === undefined && only.pendingGrace === undefined;
}

function writeDigests(writer: RecordWriter, digests: readonly SecretDigest[], flags: number): void {
  const isPlain = (flags & Flag.plainDigest) !== 0;
  if (!isPlain) writer.number(digests.length);
  for (const { keyVersion, digest, source, until, pendingGrace } of digests) {
    writer.number(keyVersion);
    if (!isPlain) writer.number(digest.length);
    writer.raw(digest);
    if (isPlain) continue;
    writer.text(source);
    // A number more, so that 0 is free to say that there is none.
    writer.number(until === undefined ? 0 : until + 1);
    writer.number(pendingGrace === undefined ? 0 : pendingGrace + 1);
  }
}

function readDigests(reader: RecordReader, flags: number): SecretDigest[] {
  if (flags & Flag.plainDigest) {
    const keyVersion = reader.number();
    const digest = reader.raw(DIGEST_BYTES);
    return [{ keyVersion, digest, source: "", until: undefined, pendingGrace: undefined }];
  }
  const digests: SecretDigest[] = [];
  for (let count = reader.number(); count > 0; count--) {
    const keyVersion = reader.number();
    const digest = reader.raw(reader.number());
    const source = reader.text();
    const [until, pendingGrace] = [reader.number(), reader.number()];
    digests.push({
      keyVersion,
      digest,
      source,
      until: until === 0 ? undefined : until - 1,
      pendingGrace: pendingGrace === 0 ? undefined : pendingGrace - 1,
    });
  }
  return digests;
}

/** What of an id hints show. */
function startOf(id: string): string {
  return id.slice(0, 8);
}

function nameOfOwner({ tenant, subject }: Pick<Token, "tenant" | "subject">): string {
  return `${tenant}/${subject}`;
}
