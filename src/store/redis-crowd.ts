import { unavailable } from "./redis-errors.ts";

/** How many callers may wait at once for a connection, or for a cluster: more than healthy ones ever have, and few enough to remember. */
const MOST = 10_000;

/** Who waits. Where too many do already, the next is refused at once: a queue that grows would serve none of them in time. */
export class Crowd {
  #count = 0;

  /** @throws STORE_UNAVAILABLE if too many wait already. A work for many callers goes on where nobody else waits. */
  async admit<T>(callers: number, work: () => Promise<T>): Promise<T> {
    if (this.#count > 0 && this.#count + callers > MOST) {
      throw unavailable(new Error(`${this.#count} calls wait for an answer already`));
    }
    this.#count += callers;
    try {
      return await work();
    } finally {
      this.#count -= callers;
    }
  }
}
