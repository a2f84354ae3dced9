import type { Change } from "./token-store.ts";

type Listener = (change: Change) => void;

/** Passes the changes of a store on to those who subscribed. */
export class ChangeFeed {
  readonly #listeners = new Set<Listener>();

  /** Answers how to stop. The same function may subscribe several times. */
  subscribe(listener: Listener): () => void {
    const own: Listener = (change) => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  publish(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  close(): void {
    this.#listeners.clear();
  }
}
