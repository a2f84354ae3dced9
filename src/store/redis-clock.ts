/**
 * Steps back of so many milliseconds stand for two clocks that are both kept right. With greater ones somebody has set a clock that was
 * wrong, and time must not stand still until it gets there again.
 */
const HELD = 5000;

/**
 * A server's clock, followed from here: this machine's monotonic clock, put right whenever the server tells its time. Whether the
 * wall clock of this machine is wrong, or leaps, does not matter.
 */
export class RedisClock {
  /** The latest that it has told. */
  #latest = Number.NEGATIVE_INFINITY;
  readonly #monotonic: () => number;
  /** What the server's clock is ahead of ours. */
  #lead: number | undefined;

  constructor(monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
  }

  /** Asks for the server's time in whole milliseconds, and learns from the answer. The longer it takes, the less it tells. */
  async learn(ask: () => Promise<number>): Promise<void> {
    const sent = this.#monotonic();
    const time = await ask();
    const [least, most] = [time - this.#monotonic(), time + 1 - sent];
    this.#lead = Math.min(Math.max(this.#lead ?? (least + most) / 2, least), most);
  }

  /**
   * Milliseconds since 1970, as the server has them now. Only after it has told its time once. Where a replica takes over whose clock is
   * behind, time stands still for as long, so that no token lives again which has ended.
   */
  readonly now = (): number => {
    if (this.#lead === undefined) throw new Error("the server's time is not known yet");
    const time = Math.floor(this.#monotonic() + this.#lead);
    if (time < this.#latest && time >= this.#latest - HELD) return this.#latest;
    this.#latest = time;
    return time;
  };
}
