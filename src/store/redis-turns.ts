import { unavailable } from "./redis-errors.ts";

/** Has work done one after the other, where all of it at once would be one long work that everybody else waits for. */
export class Turns {
  readonly #most: number;
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param most how many may be there at once, so that none waits for long. */
  constructor(most: number) {
    this.#most = most;
  }

  /** @throws STORE_UNAVAILABLE at once, and nothing is done, if so many are there already. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#count >= this.#most) throw unavailable(new Error(`${this.#count} others wait for their turn already`));
    this.#count++;
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn.finally(() => this.#count--);
  }
}
