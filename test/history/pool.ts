import type { Random } from "./random.ts";

/** How many tokens are played with at once: few, so that clients meet at the same ones. */
const SIZE = 24;
/** How many secrets of a token are remembered, the oldest of them long replaced. */
const SECRETS = 4;

/** How many of those that somebody called with last are tried again. */
const CALLERS = 4;

/** A secret that somebody has called with. */
export interface Caller {
  readonly token: HeldToken;
  readonly secret: string;
}

/** A token as its clients know it. */
export interface HeldToken {
  readonly id: string;
  readonly subject: string;
  /** The newest last. In memory only. */
  readonly secrets: string[];
}

/** The tokens that all clients know. Those that were deleted stay until newer ones push them out. */
export class Pool {
  /** The newest last. */
  readonly #tokens: HeldToken[] = [];
  /** All that were ever in it. */
  readonly all: HeldToken[] = [];
  readonly #callers: Caller[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  add(id: string, subject: string, secret: string): void {
    const token = { id, subject, secrets: [secret] };
    this.all.push(token);
    this.#tokens.push(token);
    if (this.#tokens.length > SIZE) this.#tokens.shift();
  }

  /** Those that can be picked. */
  get recent(): readonly HeldToken[] {
    return this.#tokens;
  }

  /** One of them, a new one rather than an old one. */
  pick(): HeldToken | undefined {
    return this.#tokens.at(-1 - Math.floor(this.#random.next() ** 2 * this.#tokens.length));
  }

  /** Somebody was let in. */
  noteCaller(caller: Caller): void {
    const known = this.#callers.findIndex(({ secret }) => secret === caller.secret);
    if (known >= 0) this.#callers.splice(known, 1);
    this.#callers.push(caller);
    if (this.#callers.length > CALLERS) this.#callers.shift();
  }

  /** One that was called with lately: a service that remembers it must hear of all that becomes of it. */
  pickCaller(): Caller | undefined {
    return this.#callers[this.#random.below(this.#callers.length)];
  }

  /** One of its secrets, mostly the newest. */
  pickSecret({ secrets }: HeldToken): string {
    const age = this.#random.chance(0.7) ? 0 : this.#random.below(Math.min(secrets.length, SECRETS));
    return secrets.at(-1 - age) as string;
  }
}
