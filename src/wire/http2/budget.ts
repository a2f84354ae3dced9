/** How often something may happen: so many times at once, and so many a second from then on. */
export class Budget {
  readonly #burst: number;
  readonly #rate: number;
  #left: number;
  #since = performance.now();

  constructor(burst: number, rate: number) {
    this.#burst = burst;
    this.#rate = rate;
    this.#left = burst;
  }

  /** Whether there was one left. */
  spend(): boolean {
    const now = performance.now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#since) / 1000) * this.#rate);
    this.#since = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
