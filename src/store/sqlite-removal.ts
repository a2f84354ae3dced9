import type { Owner, Token } from "../domain/token.ts";

/** What a removal reads and writes in the transaction that it is in. */
export interface RemovalTransaction {
  /** The token, unless it is dead. */
  find(id: string): Token | undefined;
  /** A child of the token that is not dead. */
  findChild(id: string): string | undefined;
  /** Answers whether there was such a token. */
  delete(id: string): boolean;
}

/**
 * Deletes tokens with all that descends from them, in slices, each in a transaction of its own. What a slice leaves to the next is
 * judged anew by that, because others may have changed it in between.
 */
export class SqliteRemoval {
  readonly #select: (token: Token) => boolean;
  readonly #owner: Owner | undefined;
  #waiting: string[] = [];
  /** Those that were judged in this transaction. */
  readonly #judged = new Set<string>();
  /** The token that goes next and its ancestors, from one of those that were picked on. */
  #line: string[] = [];

  /** @param owner whose new tokens are to be judged too, as long as this goes on. */
  constructor(select: (token: Token) => boolean, owner?: Owner) {
    this.#select = select;
    this.#owner = owner;
  }

  /** Whether all is gone that was to go. */
  get isDone(): boolean {
    return this.#line.length === 0 && this.#waiting.length === 0;
  }

  /** Has these go of which `select` picks. */
  judge(tokens: readonly Token[]): void {
    for (const token of tokens) {
      if (!this.#select(token)) continue;
      this.#judged.add(token.id);
      this.#waiting.push(token.id);
    }
  }

  /** Has this one judged by the next slice. */
  await(id: string): void {
    this.#waiting.push(id);
  }

  /** Takes note of a token that somebody adds. */
  noteInsert({ id, tenant, subject }: Token): void {
    if (this.#owner?.tenant === tenant && this.#owner.subject === subject) this.#waiting.push(id);
  }

  /** Deletes up to so many tokens, children before their parents. Answers how many. */
  run(transaction: RemovalTransaction, most: number): number {
    let count = 0;
    if (this.#line[0] !== undefined && !this.#isPicked(transaction, this.#line[0])) this.#line = [];
    while (count < most && !this.isDone) {
      const id = this.#line.at(-1) ?? this.#startLine(transaction);
      if (id === undefined) continue;
      const child = transaction.findChild(id);
      if (child !== undefined) this.#line.push(child);
      else {
        if (transaction.delete(id)) count++;
        this.#line.pop();
      }
    }
    this.#judged.clear();
    return count;
  }

  #startLine(transaction: RemovalTransaction): string | undefined {
    const id = this.#waiting.pop();
    if (id === undefined || !this.#isPicked(transaction, id)) return undefined;
    this.#line.push(id);
    return id;
  }

  #isPicked(transaction: RemovalTransaction, id: string): boolean {
    if (this.#judged.has(id)) return true;
    const token = transaction.find(id);
    return token !== undefined && this.#select(token);
  }
}
