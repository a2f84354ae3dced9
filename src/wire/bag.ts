/** A thing that lies in one bag at most, which notes here where. */
export interface Packed {
  place: number;
}

/**
 * Things that come and go all the time. A Set or a Map does worse than it seems to: V8 gives it a new table every few changes, and each
 * table keeps the next one reachable, and all that was ever in it. Once one of them has come to the old generation, which is collected
 * seldom, all that comes and goes follows it there.
 */
export class Bag<T extends Packed> {
  readonly #things: T[] = [];

  get size(): number {
    return this.#things.length;
  }

  /** A copy: things may come and go while one looks through it. */
  all(): readonly T[] {
    return [...this.#things];
  }

  /** That for which `test` holds; of several, one that was put in late is likelier. */
  find(test: (thing: T) => boolean): T | undefined {
    return this.#things.findLast(test);
  }

  /** Not for what is in it already. */
  add(thing: T): void {
    thing.place = this.#things.push(thing) - 1;
  }

  /** Does nothing if it is not there. */
  delete(thing: T): void {
    const { place } = thing;
    if (this.#things[place] !== thing) return;
    const last = this.#things.pop() as T;
    if (last === thing) return;
    this.#things[place] = last;
    last.place = place;
  }
}
