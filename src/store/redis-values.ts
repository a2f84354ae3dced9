import type { Reader } from "./redis-connection.ts";

/** How many values one command reads, so that none takes long. */
const MOST = 1000;

interface Wanted {
  readonly key: string;
  readonly resolve: (value: Buffer | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads values of one server, all that are asked for in one turn of the event loop with one command: for many callers at once that
 * costs a fraction of a command each.
 */
export class ValueReader {
  readonly #reader: Reader;
  #wanted: Wanted[] = [];

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  get(key: string): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      if (this.#wanted.length === MOST) this.#fetch();
      if (this.#wanted.push({ key, resolve, reject }) === 1) setImmediate(() => this.#fetch());
    });
  }

  #fetch(): void {
    const wanted = this.#wanted;
    if (wanted.length === 0) return;
    this.#wanted = [];
    const keys = wanted.map(({ key }) => key);
    this.#reader
      .read((client) => client.mgetBuffer(keys), keys.length)
      .then(
        (values) => {
          for (const [index, { resolve }] of wanted.entries()) resolve(values[index] ?? null);
        },
        (error: unknown) => {
          for (const { reject } of wanted) reject(error);
        },
      );
  }
}
