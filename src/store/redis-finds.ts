import type { Token } from "../domain/token.ts";
import { decodeRecord } from "./record.ts";
import type { Reader } from "./redis-connection.ts";
import { recordKey } from "./redis-keys.ts";

/** How many records one command reads, so that none takes long. */
const MOST = 1000;

interface Wanted {
  readonly id: string;
  readonly resolve: (token: Token | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Finds tokens by their ids, all that are asked for in one turn of the event loop with one command: for many callers at once that
 * costs a fraction of a command each.
 */
export class RecordFinder {
  readonly #reader: Reader;
  #wanted: Wanted[] = [];

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  find(id: string): Promise<Token | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#wanted.length === MOST) this.#fetch();
      if (this.#wanted.push({ id, resolve, reject }) === 1) setImmediate(() => this.#fetch());
    });
  }

  #fetch(): void {
    const wanted = this.#wanted;
    if (wanted.length === 0) return;
    this.#wanted = [];
    const keys = wanted.map(({ id }) => recordKey(id));
    this.#reader
      .read((client) => client.mgetBuffer(keys), keys.length)
      .then(
        (records) => {
          for (const [index, asked] of wanted.entries()) answer(asked, records[index]);
        },
        (error: unknown) => {
          for (const { reject } of wanted) reject(error);
        },
      );
  }
}

/** A damaged record is the trouble of who asked for it, and of nobody else. */
function answer({ id, resolve, reject }: Wanted, bytes: Buffer | null | undefined): void {
  try {
    resolve(bytes ? decodeRecord(id, bytes) : undefined);
  } catch (error) {
    reject(error);
  }
}
