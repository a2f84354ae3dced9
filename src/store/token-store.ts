import type { Clock } from "../domain/clock.ts";
import type { Owner, Token } from "../domain/token.ts";

/**
 * Where tokens lie. Every store keeps the same promises, and one suite (`test/store/contract.ts`) holds them to it:
 *
 * - Each operation is atomic: it happens as a whole or not at all, and a caller that got its answer sees its effect in
 *   every later operation, through this instance or another on the same data.
 * - An operation that can't be carried out, or whose outcome is not known, rejects with `STORE_UNAVAILABLE`. It never
 *   answers a guess, and never waits without bound.
 * - What was acknowledged stays, to the degree that the store's own durability allows.
 * - A record past its `purgeTime` is dropped by the store's own clock; a dead record is not found, listed or counted.
 */
export interface TokenStore {
  /**
   * The clock by which the store drops the dead and lets go of labels and places: one for all instances on its data, to within the
   * time of a round trip. Whoever gives a token its times or judges it has to go by it.
   */
  readonly clock: Clock;

  /**
   * The same store for whoever acknowledges a change. Each answer of it, also that of a read, rests only on what is there to stay. The
   * reads of the store itself may show a change that was not acknowledged to anybody, and is lost if the store fails at this moment.
   */
  readonly settled: TokenStore;

  /**
   * The first three characters of the ids of an owner's tokens (base62). Equal for equal owners as long as the store
   * lives, so that all that belongs to one owner can lie together.
   */
  shardTag(owner: Owner): string;

  /**
   * Adds a token; or answers the first of these that applies:
   *
   * - `repeated`: the write of this `mark` was made before.
   * - `parent-gone`: it has a `parentId`, and no such token exists.
   * - `conflict`: `parent` is to change with it, and the stored version is not that of `parent.previous`.
   * - `label-taken`: it has `holdsLabel`, and a live token of the same owner and kind holds that label; or the parent's change
   *   would be answered so.
   * - `cap-reached`: it has `holdsPlace`, and `cap` live tokens of the same owner and kind hold a place.
   *
   * Live means: before `holdsUntil(token)`. A parent that changes with it counts as it will be: a token that is used up for
   * another can leave it its label and its place.
   *
   * An insert of the very same token that is there already writes nothing and answers `inserted` again.
   *
   * @throws CONFLICT if another token has this id.
   */
  insert(
    token: Token,
    options?: InsertOptions,
  ): Promise<"inserted" | "repeated" | "parent-gone" | "conflict" | "label-taken" | "cap-reached">;

  /** The token with this id. */
  find(id: string): Promise<Token | undefined>;

  /** The tokens with these ids, in their order, in one round trip. */
  findMany(ids: readonly string[]): Promise<(Token | undefined)[]>;

  /**
   * Puts `next` in the place of `previous` if the stored version is still `previous.version`; or answers the first of these that
   * applies:
   *
   * - `repeated`: the write of this `mark` was made before.
   * - `conflict`: the stored version is another one, or the token is gone.
   * - `label-taken`: `next` has `holdsLabel`, its label differs from that of `previous` or `next` is live, and another live
   *   token holds that label.
   *
   * Never idempotent, not even for the same bytes: of many that take the last use in one millisecond, one may win.
   *
   * `id`, owner, kind, `createTime`, `parentId` and `holdsPlace` never change.
   */
  replace(previous: Token, next: Token, mark?: Mark): Promise<"replaced" | "repeated" | "conflict" | "label-taken">;

  /**
   * Moves the last use of tokens on to these times, by id, where what is stored is `precision` milliseconds or more behind; nothing else
   * of them but the version. Each token's is an atomic step for itself, and the calls of others come in between. Not for tokens with
   * an idle time-out, whose end moves too. Tokens that are gone stay so.
   */
  noteUses(uses: ReadonlyMap<string, number>, precision: number): Promise<void>;

  /**
   * Keeps a text under a name, unless the shard has something under it already; answers what is kept from now on, until the
   * time that came with it. One of N callers at the same moment wins, and all learn its value.
   */
  claim(claim: Claim): Promise<string>;

  /** What a shard keeps under this name, by `claim` or as the mark of a write. */
  findClaim(tag: string, name: string): Promise<string | undefined>;

  /**
   * Lets a token be found by another name than its id, until its record is dropped by `purgeTime` (undefined: for ever).
   * A name that leads to the same token already stays until the later of both times.
   *
   * @throws CONFLICT if the name leads to another token.
   */
  addAlias(alias: string, id: string, purgeTime: number | undefined): Promise<void>;

  /** The ids behind these names, in their order, in one round trip. Such a token may be gone. */
  findAliases(aliases: readonly string[]): Promise<(string | undefined)[]>;

  /**
   * The tokens of an owner, newest first (`createTime`, then id, descending); or those of a tenant, owner by owner in
   * a fixed order (shard tag, then subject by its UTF-8 bytes), newest first within each. `limit` (1 or more) of them
   * that come after `after`, fewer only where there are no more.
   */
  page(range: PageRange): Promise<Token[]>;

  /**
   * Deletes a token and all that descends from it: in one atomic step up to `REMOVE_BATCH`, beyond that in atomic batches, of
   * which the last has the token itself. The calls of others come in between. Answers how many are gone: 0 if there was no such token.
   */
  remove(id: string): Promise<number>;

  /**
   * Deletes the tokens of an owner that `select` picks, and all that descends from them: in one atomic step if the owner has up to
   * `REMOVE_BATCH` tokens, beyond that in atomic batches, in each of which no token goes before those that descend from it. The calls of
   * others come in between. A token that was inserted before the last batch began is not missed. `select` may be called several
   * times for a token. Answers how many are gone.
   */
  removeAll(owner: Owner, select: (token: Token) => boolean): Promise<number>;

  /**
   * Calls `listener` for every change but those of `noteUses` from now on, made through any instance on the same data. Answers how
   * to stop.
   *
   * A change that an operation of this instance has made, or may have made where it rejects, is told before the operation is settled. A
   * change may be told more than once, and where an operation rejects, also one that was not made. Of a noted use it is told where a
   * record of an earlier Latchkey has to be packed anew for it.
   */
  subscribe(listener: (change: Change) => void): () => void;

  /**
   * Whether the data belongs to these service keys (fingerprints, the current one first): true if the store has seen none yet or
   * knows one of them; then it remembers all of them. False: every token would look wrong, so the caller must not start.
   */
  adoptKeys(fingerprints: readonly string[]): Promise<boolean>;

  /** What about the store itself, and how it is set up, keeps these promises from being as good as they could be. */
  inspect(): Promise<readonly Weakness[]>;

  /** Resolves if the store can serve now. */
  ping(): Promise<void>;

  /** Lets what is under way finish, and frees everything. No operation may follow. */
  close(): Promise<void>;
}

/**
 * How many tokens `remove` and `removeAll` delete in one atomic step: as many as hold up others for some milliseconds, Redis for
 * about two and SQLite for about seven.
 */
export const REMOVE_BATCH = 500;

/** What happens together with an insert, or keeps it from happening. */
export interface InsertOptions {
  /** How many live tokens of the owner and kind may hold a place, this one included. Default: any number. */
  readonly cap?: number | undefined;
  /** The parent as it was read, and what it becomes. Both or none are written. */
  readonly parent?: { readonly previous: Token; readonly next: Token } | undefined;
  readonly mark?: Mark | undefined;
}

/** A text that is kept in the shard of a written token, so that the write is made once however often it is asked for. */
export interface Mark {
  readonly name: string;
  readonly value: string;
  /** When it goes, in milliseconds since 1970. */
  readonly until: number;
}

/** A text that is kept in the shard of this tag. */
export interface Claim extends Mark {
  readonly tag: string;
}

/** Which tokens `page` goes through: those of `subject`, or without it those of the whole tenant. */
export interface PageRange {
  readonly tenant: string;
  readonly subject?: string | undefined;
  /** The last token of the page before. It need not exist any more. */
  readonly after?: PageCursor | undefined;
  readonly limit: number;
}

/** What of a token tells its place in `page`. */
export interface PageCursor {
  readonly subject: string;
  readonly createTime: number;
  readonly id: string;
}

/** Something that the store's operator should mend. */
export interface Weakness {
  /** What it is, what it leads to and what to do about it. */
  readonly description: string;
  /** False: it can't be told whether there is one. */
  readonly isCertain: boolean;
}

/** A change of the stored tokens. `reset`: changes may have been missed, forget all that was learnt from the store. */
export type Change = { readonly type: "changed" | "deleted"; readonly id: string } | { readonly type: "reset" };
