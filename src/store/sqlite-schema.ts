import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TokenError } from "../errors.ts";
import { SHARD_KEY_LENGTH } from "./shard.ts";

/** How long to wait for a process that is just leaving, in milliseconds. */
const LOCK_TIMEOUT = 1000;

// The columns beside the record are what the indexes need. A null in label_until or place_until: the token holds none.
const TOKENS = `
  CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    tag TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    purge_time INTEGER NOT NULL,
    label_until INTEGER,
    place_until INTEGER,
    record BLOB NOT NULL
  ) STRICT;
  CREATE INDEX tokens_by_owner ON tokens (tenant, tag, subject, create_time DESC, id DESC);
  CREATE INDEX tokens_by_label ON tokens (tenant, tag, subject, kind, label) WHERE label_until IS NOT NULL;
  CREATE INDEX tokens_by_place ON tokens (tenant, tag, subject, kind, place_until) WHERE place_until IS NOT NULL;
  CREATE INDEX tokens_by_parent ON tokens (parent_id) WHERE parent_id <> '';
  CREATE INDEX tokens_by_purge ON tokens (purge_time);
  CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;
  CREATE TABLE fingerprints (fingerprint TEXT NOT NULL PRIMARY KEY) STRICT;
`;

const NAMES = `
  CREATE TABLE claims (
    tag TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (tag, name)
  ) STRICT;
  CREATE INDEX claims_by_until ON claims (until);
  CREATE TABLE aliases (
    alias TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    purge_time INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX aliases_by_purge ON aliases (purge_time);
`;

/** What each version of the schema adds to the one before. */
const SCHEMAS = [TOKENS, NAMES];

/**
 * Opens the database file and makes it and its folder, readable by nobody else, if they are missing. The process holds the file
 * alone: the lock is the kernel's, so it goes with the process however that ends.
 *
 * @throws STORE_UNAVAILABLE if another process has it, or a newer Latchkey wrote it.
 */
export function openDatabase(path: string): DatabaseSync {
  makeFile(path);
  const database = new DatabaseSync(path, { timeout: LOCK_TIMEOUT });
  try {
    lock(database, path);
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The random key behind `TokenStore.shardTag`, made with the file. */
export function readShardKey(database: DatabaseSync): Uint8Array {
  const row = database.prepare("SELECT value FROM meta WHERE name = 'shard_key'").get();
  return row?.value as Uint8Array;
}

function makeFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}

function lock(database: DatabaseSync, path: string): void {
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec("BEGIN IMMEDIATE; COMMIT");
  } catch (cause) {
    if (!isLocked(cause)) throw cause;
    throw new TokenError("STORE_UNAVAILABLE", `${path} is in use by another process: run one, or use Redis`, { cause });
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED, with or without what SQLite adds in the upper bits. */
function isLocked(error: unknown): boolean {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  return code === 5 || code === 6;
}

function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
  if (version === SCHEMAS.length) return;
  if (version > SCHEMAS.length) {
    const problem = `was written by a newer Latchkey (schema ${version}, this one knows ${SCHEMAS.length})`;
    throw new TokenError("STORE_UNAVAILABLE", `${path} ${problem}`);
  }
  database.exec("BEGIN IMMEDIATE");
  for (const schema of SCHEMAS.slice(version)) database.exec(schema);
  database.prepare("INSERT OR IGNORE INTO meta VALUES ('shard_key', ?)").run(randomBytes(SHARD_KEY_LENGTH));
  database.exec(`PRAGMA user_version = ${SCHEMAS.length}; COMMIT`);
}
