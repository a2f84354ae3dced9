import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, systemClock } from "../domain/clock.ts";
import { holdsUntil, type Owner, type Token } from "../domain/token.ts";
import { TokenError } from "../errors.ts";
import { ChangeFeed } from "./change-feed.ts";
import { decodeRecord, encodeRecord } from "./record.ts";
import { shardTagger } from "./shard.ts";
import { openDatabase, readShardKey } from "./sqlite-schema.ts";
import { prepareStatements, type Statements } from "./sqlite-statements.ts";
import { type Change, type PageRange, REMOVE_BATCH, type TokenStore } from "./token-store.ts";

/** Beyond every time. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** How many dead records an insert drops at most, so that it stays short. */
const PURGE_BATCH = 32;
/** When to try again, in milliseconds. */
const RETRY_DELAY = 1000;

export interface SqliteStoreOptions {
  readonly path: string;
  readonly clock?: Clock | undefined;
}

/**
 * Opens the store in a SQLite file, for one process. An acknowledged write is on the disk.
 *
 * @throws STORE_UNAVAILABLE if the file is in use, damaged, or of a newer Latchkey.
 */
export async function openSqliteStore({ path, clock = systemClock }: SqliteStoreOptions): Promise<TokenStore> {
  return translateErrors(() => new SqliteStore(openDatabase(path), clock));
}

class SqliteStore implements TokenStore {
  readonly shardTag: (owner: Owner) => string;
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #clock: Clock;
  readonly #feed = new ChangeFeed();

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#statements = prepareStatements(database);
    this.shardTag = shardTagger(readShardKey(database));
  }

  async insert(token: Token, cap = NEVER) {
    return this.#write((now) => {
      this.#statements.purge.run({ now, most: PURGE_BATCH });
      const obstacle = this.#findObstacle(token, cap, now);
      if (obstacle) return obstacle;
      const { id, tenant, subject, kind, parentId, createTime } = token;
      const tag = this.shardTag(token);
      this.#statements.insert.run({ id, tenant, tag, subject, kind, parentId, createTime, ...changeable(token) });
      this.#announce([{ type: "changed", id }]);
      return "inserted";
    });
  }

  async find(id: string) {
    return this.#read((now) => this.#find(id, now));
  }

  async findMany(ids: readonly string[]) {
    return this.#read((now) => ids.map((id) => this.#find(id, now)));
  }

  async replace(previous: Token, next: Token) {
    return this.#write((now) => {
      if (this.#find(previous.id, now)?.version !== previous.version) return "conflict";
      if (takesLabel(previous, next, now) && this.#isLabelTaken(next, now)) return "label-taken";
      this.#statements.replace.run({ id: next.id, ...changeable(next) });
      this.#announce([{ type: "changed", id: next.id }]);
      return "replaced";
    });
  }

  async page({ tenant, subject, after, limit }: PageRange) {
    return this.#read((now) => {
      const first = subject ?? after?.subject;
      const owner = { tenant, subject: first ?? "", tag: first === undefined ? "" : this.shardTag({ tenant, subject: first }) };
      const { createTime, id } = after ?? { createTime: NEVER, id: "" };
      const page = first === undefined ? [] : this.#list("ownerPage", { ...owner, createTime, id, now, limit });
      if (subject !== undefined || page.length === limit) return page;
      return [...page, ...this.#list("tenantPage", { ...owner, now, limit: limit - page.length })];
    });
  }

  async remove(id: string) {
    return this.#write((now) => (this.#find(id, now) ? this.#removeEach(this.#withDescendants([id], now)) : 0));
  }

  async removeAll(owner: Owner, select: (token: Token) => boolean) {
    const doomed = this.#read((now) => {
      const range = { ...owner, tag: this.shardTag(owner), createTime: NEVER, id: "", now, limit: NEVER };
      const picked = this.#list("ownerPage", range).filter(select);
      return this.#withDescendants(picked.map((token) => token.id), now);
    });
    let count = 0;
    for (let start = 0; start < doomed.length; start += REMOVE_BATCH) {
      count += this.#write(() => this.#removeEach(doomed.slice(start, start + REMOVE_BATCH)));
    }
    return count;
  }

  subscribe(listener: (change: Change) => void) {
    return this.#feed.subscribe(listener);
  }
}
