import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { type Clock, systemClock } from "../domain/clock.ts";
import { changed, holdsUntil, type Owner, type Token } from "../domain/token.ts";
import { ChangeFeed } from "./change-feed.ts";
import { decodeRecord, encodeRecord } from "./record.ts";
import { acceptRepeat, aliasTaken, takesLabel } from "./rules.ts";
import { shardTagger, tagIn } from "./shard.ts";
import { translate, translateErrors } from "./sqlite-errors.ts";
import { SqliteRemoval } from "./sqlite-removal.ts";
import { openDatabase, readShardKey } from "./sqlite-schema.ts";
import { prepareStatements, type Statements } from "./sqlite-statements.ts";
import { SqliteWriter } from "./sqlite-writer.ts";
import {
  type Change,
  type Claim,
  type InsertOptions,
  type Mark,
  type PageCursor,
  type PageRange,
  REMOVE_BATCH,
  type TokenStore,
} from "./token-store.ts";

/** Beyond every time. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** How many dead records an insert drops at most, so that it stays short. */
const PURGE_BATCH = 32;
/** How many uses one write notes, so that it stays short. */
const USES_AT_ONCE = 64;

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
  return translateErrors(() => new SqliteStore(openDatabase(path), clock), path);
}

class SqliteStore implements TokenStore {
  readonly shardTag: (owner: Owner) => string;
  readonly clock: Clock;
  readonly settled = this;
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #writer: SqliteWriter;
  readonly #feed = new ChangeFeed();
  /** Those under way that take what is added meanwhile. */
  readonly #removals = new Set<SqliteRemoval>();

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.clock = clock;
    this.#statements = prepareStatements(database);
    this.#writer = new SqliteWriter(database);
    this.shardTag = shardTagger(readShardKey(database));
  }

  async insert(token: Token, { cap = NEVER, parent, mark }: InsertOptions = {}) {
    return this.#write((now, changes) => {
      this.#purge(now);
      if (mark && this.#findClaim(tagIn(token.id), mark.name, now) !== undefined) return "repeated";
      const known = this.#find(token.id, now);
      if (known) return acceptRepeat(known, token);
      if (token.parentId !== "" && !this.#find(token.parentId, now)) return "parent-gone";
      this.#statements.savepoint.run();
      const parentOutcome = parent ? this.#replace(parent.previous, parent.next, now) : "replaced";
      if (parentOutcome !== "replaced") return parentOutcome;
      const refusal = this.#refuse(token, cap, now);
      if (refusal) {
        this.#statements.undo.run();
        return refusal;
      }
      this.#add(token);
      if (mark) this.#keep({ ...mark, tag: tagIn(token.id) });
      if (parent) changes.push({ type: "changed", id: parent.next.id });
      changes.push({ type: "changed", id: token.id });
      return "inserted";
    });
  }

  async find(id: string) {
    return this.#read((now) => this.#find(id, now));
  }

  async findMany(ids: readonly string[]) {
    return this.#read((now) => ids.map((id) => this.#find(id, now)));
  }

  async replace(previous: Token, next: Token, mark?: Mark) {
    return this.#write((now, changes) => {
      if (mark && this.#findClaim(tagIn(next.id), mark.name, now) !== undefined) return "repeated";
      const outcome = this.#replace(previous, next, now);
      if (outcome !== "replaced") return outcome;
      if (mark) this.#keep({ ...mark, tag: tagIn(next.id) });
      changes.push({ type: "changed", id: next.id });
      return outcome;
    });
  }

  async noteUses(uses: ReadonlyMap<string, number>, precision: number) {
    const all = [...uses];
    for (let start = 0; start < all.length; start += USES_AT_ONCE) {
      await this.#write((now) => {
        for (const [id, time] of all.slice(start, start + USES_AT_ONCE)) this.#noteUse(id, time, precision, now);
      });
    }
  }

  async claim(claim: Claim) {
    return this.#write((now) => {
      this.#purge(now);
      const known = this.#findClaim(claim.tag, claim.name, now);
      if (known === undefined) this.#keep(claim);
      return known ?? claim.value;
    });
  }

  async findClaim(tag: string, name: string) {
    return this.#read((now) => this.#findClaim(tag, name, now));
  }

  async addAlias(alias: string, id: string, purgeTime = NEVER) {
    await this.#write((now) => {
      const known = this.#statements.findAlias.get({ alias, now });
      if (known && known.id !== id) throw aliasTaken();
      const until = Math.max(purgeTime, Number(known?.purge_time ?? 0));
      if (known?.purge_time !== until) this.#statements.addAlias.run({ alias, id, purgeTime: until });
    });
  }

  async findAliases(aliases: readonly string[]) {
    return this.#read((now) =>
      aliases.map((alias) => this.#statements.findAlias.get({ alias, now })?.id as string | undefined),
    );
  }

  async page({ tenant, subject, after, limit }: PageRange) {
    return this.#read((now) => {
      const first = subject ?? after?.subject;
      if (first === undefined) return this.#listOwnersAfter({ tenant, tag: "", subject: "" }, now, limit);
      const owner = this.#place({ tenant, subject: first });
      const page = this.#listOwner(owner, now, limit, after);
      if (subject !== undefined || page.length === limit) return page;
      return [...page, ...this.#listOwnersAfter(owner, now, limit - page.length)];
    });
  }

  async remove(id: string) {
    const removal = new SqliteRemoval(() => true);
    removal.await(id);
    for (let count = 0; ; ) {
      const step = await this.#write((now, changes) => this.#runRemoval(removal, now, changes));
      count += step.count;
      if (step.isDone) return count;
    }
  }

  async removeAll({ tenant, subject }: Owner, select: (token: Token) => boolean) {
    const owner = this.#place({ tenant, subject });
    const removal = new SqliteRemoval(select, owner);
    this.#removals.add(removal);
    let after: PageCursor | undefined;
    let isAtEnd = false;
    try {
      for (let count = 0; ; ) {
        const step = await this.#write((now, changes) => {
          const rest = this.#runRemoval(removal, now, changes);
          if (isAtEnd || !rest.isDone) return rest;
          const page = this.#listOwner(owner, now, REMOVE_BATCH, after);
          after = page.at(-1);
          isAtEnd = page.length < REMOVE_BATCH;
          removal.judge(page);
          const { count, isDone } = this.#runRemoval(removal, now, changes, REMOVE_BATCH - rest.count);
          return { count: rest.count + count, isDone: isDone && isAtEnd };
        });
        count += step.count;
        if (step.isDone) return count;
      }
    } finally {
      this.#removals.delete(removal);
    }
  }

  subscribe(listener: (change: Change) => void) {
    return this.#feed.subscribe(listener);
  }

  async adoptKeys(fingerprints: readonly string[]) {
    return this.#write(() => {
      const known = this.#statements.fingerprints.all().map((row) => row.fingerprint);
      if (known.length > 0 && !fingerprints.some((fingerprint) => known.includes(fingerprint))) return false;
      for (const fingerprint of fingerprints) this.#statements.addFingerprint.run({ fingerprint });
      return true;
    });
  }

  async inspect() {
    return [];
  }

  async ping() {
    this.#read(() => this.#statements.ping.get());
  }

  async close() {
    this.#feed.close();
    this.#writer.flush();
    translateErrors(() => this.#database.close());
  }

  #read<T>(run: (now: number) => T): T {
    return translateErrors(() => run(this.clock()));
  }

  /** Runs one write, and tells the listeners of its changes before it answers; also where they may not have come to the disk. */
  async #write<T>(run: (now: number, changes: Change[]) => T): Promise<T> {
    const changes: Change[] = [];
    try {
      return await this.#writer.write(() => run(this.clock(), changes));
    } catch (error) {
      throw translate(error);
    } finally {
      for (const change of changes) this.#feed.publish(change);
    }
  }

  /** Why a new token can't be added. */
  #refuse(token: Token, cap: number, now: number) {
    if (token.holdsLabel && this.#isLabelTaken(token, now)) return "label-taken";
    if (token.holdsPlace && this.#countPlaces(token, now) >= cap) return "cap-reached";
    return undefined;
  }

  #add(token: Token): void {
    const { id, kind, parentId, createTime } = token;
    this.#statements.insert.run({ ...this.#place(token), id, kind, parentId, createTime, ...changeable(token) });
    for (const removal of this.#removals) removal.noteInsert(token);
  }

  #replace(previous: Token, next: Token, now: number) {
    if (this.#find(previous.id, now)?.version !== previous.version) return "conflict";
    if (takesLabel(previous, next, now) && this.#isLabelTaken(next, now)) return "label-taken";
    this.#statements.replace.run({ id: next.id, ...changeable(next) });
    return "replaced";
  }

  #noteUse(id: string, time: number, precision: number, now: number): void {
    const token = this.#find(id, now);
    if (!token || time - (token.lastUsedTime ?? Number.NEGATIVE_INFINITY) < precision) return;
    this.#statements.patch.run({ id, record: encodeRecord(changed(token, { lastUsedTime: time })) });
  }

  #findClaim(tag: string, name: string, now: number): string | undefined {
    return this.#statements.findClaim.get({ tag, name, now })?.value as string | undefined;
  }

  #keep({ tag, name, value, until }: Claim): void {
    this.#statements.addClaim.run({ tag, name, value, until });
  }

  /** Drops a few of the dead. */
  #purge(now: number): void {
    this.#statements.purge.run({ now, most: PURGE_BATCH });
    this.#statements.purgeClaims.run({ now, most: PURGE_BATCH });
    this.#statements.purgeAliases.run({ now, most: PURGE_BATCH });
  }

  #find(id: string, now: number): Token | undefined {
    const row = this.#statements.find.get({ id, now });
    return row && decodeRecord(id, row.record as Uint8Array);
  }

  #place({ tenant, subject }: Owner): OwnerPlace {
    return { tenant, subject, tag: this.shardTag({ tenant, subject }) };
  }

  #isLabelTaken(token: Token, now: number): boolean {
    const { id, kind, label } = token;
    return this.#statements.labelHolder.get({ ...this.#place(token), id, kind, label, now }) !== undefined;
  }

  #countPlaces(token: Token, now: number): number {
    return Number(this.#statements.countPlaces.get({ ...this.#place(token), kind: token.kind, now })?.places);
  }

  #listOwner(owner: OwnerPlace, now: number, limit: number, after?: PageCursor): Token[] {
    const { createTime, id } = after ?? { createTime: NEVER, id: "" };
    return decodeRows(this.#statements.ownerPage.all({ ...owner, createTime, id, now, limit }));
  }

  #listOwnersAfter(owner: OwnerPlace, now: number, limit: number): Token[] {
    return decodeRows(this.#statements.tenantPage.all({ ...owner, now, limit }));
  }

  /** One step of a removal. Whatever comes after it, in the same transaction or later, makes no difference to whether it is done. */
  #runRemoval(
    removal: SqliteRemoval,
    now: number,
    changes: Change[],
    most = REMOVE_BATCH,
  ): { count: number; isDone: boolean } {
    const transaction = {
      find: (id: string) => this.#find(id, now),
      findChild: (id: string) => this.#statements.child.get({ id, now })?.id as string | undefined,
      delete: (id: string) => {
        if (this.#statements.remove.run({ id }).changes === 0) return false;
        changes.push({ type: "deleted", id });
        return true;
      },
    };
    return { count: removal.run(transaction, most), isDone: removal.isDone };
  }
}

/** Where an owner's rows lie. */
interface OwnerPlace extends Owner {
  readonly tag: string;
}

function decodeRows(rows: Record<string, SQLOutputValue>[]): Token[] {
  return rows.map((row) => decodeRecord(row.id as string, row.record as Uint8Array));
}

/** The columns that a replacement may change. */
function changeable(token: Token) {
  const until = holdsUntil(token) ?? NEVER;
  return {
    label: token.label,
    purgeTime: token.purgeTime ?? NEVER,
    labelUntil: token.holdsLabel ? until : null,
    placeUntil: token.holdsPlace ? until : null,
    record: encodeRecord(token),
  };
}
