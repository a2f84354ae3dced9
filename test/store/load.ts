import { changed, type Owner, type Token } from "../../src/domain/token.ts";
import { TokenError } from "../../src/errors.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { newOwner, newToken } from "./tokens.ts";

const CLIENTS = 12;
const OWNERS = 20;
/** How long anything may be refused in the end, in milliseconds. */
const AUDIT_PATIENCE = 20_000;

export interface LoadReport {
  /** Operations that were answered, and those that were STORE_UNAVAILABLE. */
  readonly answered: number;
  readonly unavailable: number;
  /** What contradicts the answers before: a token that is gone, is there in an older form, twice, or again. */
  readonly contradictions: readonly string[];
  /** The longest that an operation took, and that there was none answered, in milliseconds. */
  readonly slowest: number;
  readonly longestOutage: number;
}

/** What a token may be, as far as its client knows: forms of it, or undefined for one that is not there. */
type Forms = (Token | undefined)[];

/**
 * Has clients insert, change, find, list and remove tokens, each those of its own owners in many shards, and holds all that is found
 * against all that was answered before. Resolves once it is told to stop.
 */
export function startLoad(store: TokenStore): { stop(): Promise<LoadReport> } {
  let stopped = false;
  const log = new Log();
  const clients = Array.from({ length: CLIENTS }, async (_, n) => {
    const client = new Client(store, log, n + 1);
    while (!stopped) await client.step();
    await client.audit();
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all(clients);
      return log;
    },
  };
}

class Log implements LoadReport {
  answered = 0;
  unavailable = 0;
  slowest = 0;
  longestOutage = 0;
  readonly contradictions: string[] = [];
  #lastAnswer = performance.now();

  /** Undefined: the outcome is not known. */
  async note<T>(operation: Promise<T>): Promise<{ answer: T } | undefined> {
    const start = performance.now();
    try {
      const answer = await operation;
      this.answered++;
      this.longestOutage = Math.max(this.longestOutage, performance.now() - this.#lastAnswer);
      this.#lastAnswer = performance.now();
      return { answer };
    } catch (error) {
      if (!(error instanceof TokenError) || error.reason !== "STORE_UNAVAILABLE") throw error;
      this.unavailable++;
      return undefined;
    } finally {
      this.slowest = Math.max(this.slowest, performance.now() - start);
    }
  }
}

class Client {
  readonly #store: TokenStore;
  readonly #log: Log;
  readonly #owners: Owner[] = Array.from({ length: OWNERS }, () => newOwner());
  readonly #forms = new Map<string, Forms>();
  #seed: number;

  constructor(store: TokenStore, log: Log, seed: number) {
    this.#store = store;
    this.#log = log;
    this.#seed = seed;
  }

  async step(): Promise<void> {
    const owner = this.#pick(this.#owners);
    const id = this.#pick([...this.#forms.keys()].slice(-50));
    const die = this.#random();
    if (id === undefined || die < 0.3) return this.#insert(owner);
    if (die < 0.5) return this.#replace(id);
    if (die < 0.6) return this.#remove(id);
    await (die < 0.7 ? this.#list(owner) : this.#find(id));
  }

  /** Finds all that it ever had. */
  async audit(): Promise<void> {
    for (const id of this.#forms.keys()) await this.#insist(id, () => this.#find(id));
    for (const owner of this.#owners) await this.#insist(this.#store.shardTag(owner), () => this.#list(owner));
  }

  async #insist(what: string, ask: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + AUDIT_PATIENCE;
    while (!(await ask())) if (performance.now() > end) throw new Error(`${what} is not served again`);
  }

  async #insert(owner: Owner): Promise<void> {
    const token = newToken(this.#store, owner, { holdsLabel: true, label: `${this.#random()}`, holdsPlace: true });
    const outcome = await this.#log.note(this.#store.insert(token, { cap: 1_000_000 }));
    if (outcome && outcome.answer !== "inserted") this.#contradict(token.id, outcome.answer);
    this.#forms.set(token.id, outcome ? [token] : [token, undefined]);
  }

  async #replace(id: string): Promise<void> {
    const [previous, ...others] = this.#forms.get(id) ?? [];
    if (!previous || others.length > 0) return;
    const next = changed(previous, { active: !previous.active });
    const outcome = await this.#log.note(this.#store.replace(previous, next));
    if (outcome && outcome.answer !== "replaced") this.#contradict(id, outcome.answer);
    this.#forms.set(id, outcome ? [next] : [next, previous]);
  }

  async #remove(id: string): Promise<void> {
    const forms = this.#forms.get(id) ?? [];
    const outcome = await this.#log.note(this.#store.remove(id));
    if (outcome && !forms.some((form) => (form ? 1 : 0) === outcome.answer)) this.#contradict(id, "removed");
    this.#forms.set(id, outcome ? [undefined] : [...forms, undefined]);
  }

  async #find(id: string): Promise<boolean> {
    const outcome = await this.#log.note(this.#store.find(id));
    if (outcome) this.#hold(id, outcome.answer);
    return outcome !== undefined;
  }

  async #list(owner: Owner): Promise<boolean> {
    const outcome = await this.#log.note(this.#store.page({ ...owner, limit: 10_000 }));
    if (!outcome) return false;
    const listed = Map.groupBy(outcome.answer, ({ id }) => id);
    for (const [id, tokens] of listed) if (tokens.length > 1) this.#contradict(id, "listed twice");
    const tag = this.#store.shardTag(owner);
    for (const [id, forms] of this.#forms) {
      if (!id.startsWith(tag)) continue;
      const isOwn = forms.some((form) => form?.tenant === owner.tenant) || listed.has(id);
      if (isOwn) this.#hold(id, listed.get(id)?.[0]);
    }
    return true;
  }

  #hold(id: string, found: Token | undefined): void {
    const forms = this.#forms.get(id) ?? [];
    if (!forms.some((form) => form?.version === found?.version)) {
      this.#contradict(id, `${found?.version} where it should be ${forms.map((form) => form?.version)}`);
    }
  }

  #contradict(id: string, what: string): void {
    this.#log.contradictions.push(`${id}: ${what}`);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  /** The same for each run: mulberry32. */
  #random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
