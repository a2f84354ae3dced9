/** A change of a token, or `reset`: any may have changed. */
export type TokenChange = { readonly type: "changed" | "deleted"; readonly id: string } | { readonly type: "reset" };

/** How many changed tokens are kept in mind. With one more, all count as changed. */
const MOST = 10_000;

/**
 * Tells of an answer from the store whether it may be older than a change that was told while it was on its way: the news can be faster
 * than an answer that was read before. Numbers the changes; what changed is kept in mind only while questions are under way.
 */
export class ChangesMeanwhile {
  #number = 0;
  #lastReset = 0;
  #questions = 0;
  /** The number of each token's last change. */
  readonly #changed = new Map<string, number>();

  /** Call it before the store is asked. Answers what `includes` takes. */
  begin(): number {
    this.#questions++;
    return this.#number;
  }

  /** Whether the token may have changed since a question began which has not ended yet. */
  includes(id: string, question: number): boolean {
    return Math.max(this.#lastReset, this.#changed.get(id) ?? 0) > question;
  }

  /** Call it once for each question. */
  end(): void {
    this.#questions--;
    if (this.#questions === 0) this.#changed.clear();
  }

  note(change: TokenChange): void {
    this.#number++;
    if (this.#questions === 0) return;
    if (change.type !== "reset" && this.#changed.size < MOST) {
      this.#changed.set(change.id, this.#number);
      return;
    }
    this.#lastReset = this.#number;
    this.#changed.clear();
  }
}
