import type { StoreListener } from "./store-events.ts";

/**
 * Makes one outage of what happens to the connections of a store, and to what else it needs: it begins when the first is lost and ends
 * when all are back, and each reason is told once.
 */
export class RedisOutages {
  #listener: StoreListener;
  readonly #lost = new Set<object>();
  readonly #unconfirmed = new Set<object>();
  readonly #causes = new Set<string>();
  #lostAt = 0;
  #unconfirmedAt = 0;

  constructor(listener: StoreListener = () => {}) {
    this.#listener = listener;
  }

  /** A connection that served does not, or still does not, because of this. */
  lose(connection: object, cause: Error): void {
    if (this.#lost.size === 0) this.#lostAt = performance.now();
    this.#lost.add(connection);
    if (this.#causes.has(cause.message)) return;
    this.#causes.add(cause.message);
    this.#listener({ type: "lost", cause: cause.message });
  }

  /** A connection serves. */
  regain(connection: object): void {
    if (!this.#lost.delete(connection) || this.#lost.size > 0) return;
    this.#causes.clear();
    this.#listener({ type: "back", milliseconds: Math.round(performance.now() - this.#lostAt) });
  }

  /** What a connection wrote got to as many replicas as it must; or not, for this cause. */
  confirm(connection: object, cause: Error | undefined): void {
    const wasConfirmed = this.#unconfirmed.size === 0;
    if (cause) this.#unconfirmed.add(connection);
    else this.#unconfirmed.delete(connection);
    if (wasConfirmed === (this.#unconfirmed.size === 0)) return;
    if (cause) {
      this.#unconfirmedAt = performance.now();
      this.#listener({ type: "unconfirmed", cause: cause.message });
    } else {
      this.#listener({ type: "confirmed", milliseconds: Math.round(performance.now() - this.#unconfirmedAt) });
    }
  }

  /** A connection is not needed any more. */
  forget(connection: object): void {
    this.regain(connection);
    this.confirm(connection, undefined);
  }

  /** Tells of nothing more: the store is being closed. */
  close(): void {
    this.#listener = () => {};
  }
}
