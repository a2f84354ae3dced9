import { tickKey } from "./redis-keys.ts";
import { SLOTS, type SlotRange, slotOf } from "./redis-slots.ts";

/** In how many of a node's slots it is ticked. */
const OWN = 2;
/** How many names are tried at once, so that nobody waits for it. One in three is a slot of one of three masters. */
const TRIES = 1000;

/**
 * Keys by which a cluster's node is ticked, of which one is enough. A slot that is on its way to another node takes no new key, and the
 * slot that a step has just touched may be another node's by now.
 */
export class TickKeys {
  #own: string[] = [];
  #lastStep: string | undefined;
  /** Somewhere, so that they do not lie beside each other. */
  #name = Math.floor(Math.random() * SLOTS);

  /** Of slots that are the node's, and of the last step's: it is the only one of a node that is given its first slot. */
  get all(): readonly string[] {
    return this.#lastStep === undefined ? this.#own : [...this.#own, tickKey(this.#lastStep)];
  }

  /** What the node has been found to hold. */
  set ranges(ranges: readonly SlotRange[]) {
    const holds = (key: string) => isIn(ranges, slotOf(key));
    this.#own = this.#own.filter(holds);
    if (ranges.length === 0) return;
    // Where a node has so few slots that none is found, it goes on from here the next time.
    for (let tries = 0; this.#own.length < OWN && tries < TRIES; tries++) {
      const key = tickKey(String(this.#name++));
      if (holds(key)) this.#own.push(key);
    }
  }

  /** A step was carried out there. */
  follow(key: string): void {
    this.#lastStep = key;
  }
}

function isIn(ranges: readonly SlotRange[], slot: number): boolean {
  return ranges.some(([first, last]) => first <= slot && slot <= last);
}
