import type { Reader } from "./redis-connection.ts";

/** How many values one command reads for several callers, so that none takes long. */
const MOST = 1000;

type Value = Buffer | null;

interface Wanted {
  readonly keys: readonly string[];
  /** @param values in the order of the keys. */
  readonly resolve: (values: readonly Value[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads values of one server, all that are asked for in one turn of the event loop with one command: for many callers at once that
 * costs a fraction of a command each.
 */
export class ValueReader {
  readonly #reader: Reader;
  #wanted: Wanted[] = [];
  /** How many keys these are. */
  #count = 0;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  get(key: string): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#want({ keys: [key], resolve: ([value]) => resolve(value ?? null), reject });
    });
  }

  getMany(keys: readonly string[]): Promise<readonly Value[]> {
    if (keys.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => this.#want({ keys, resolve, reject }));
  }

  #want(wanted: Wanted): void {
    if (this.#count + wanted.keys.length > MOST) this.#fetch();
    this.#count += wanted.keys.length;
    if (this.#wanted.push(wanted) === 1) setImmediate(() => this.#fetch());
  }

  #fetch(): void {
    const wanted = this.#wanted;
    if (wanted.length === 0) return;
    this.#wanted = [];
    this.#count = 0;
    const keys = wanted.flatMap((asked) => asked.keys);
    this.#reader
      .read((client) => client.mgetBuffer(keys), keys.length)
      .then(
        (values) => {
          let place = 0;
          for (const { keys, resolve } of wanted) {
            resolve(values.slice(place, place + keys.length));
            place += keys.length;
          }
        },
        (error: unknown) => {
          for (const { reject } of wanted) reject(error);
        },
      );
  }
}
