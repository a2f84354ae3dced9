import type { Token } from "../domain/token.ts";
import { decodeRecord } from "./record.ts";
import type { Reader } from "./redis-connection.ts";
import { recordKey } from "./redis-keys.ts";

/** How many records one command reads for several callers, so that none takes long. */
const MOST = 1000;

type Found = (Token | undefined)[];

interface Wanted {
  readonly ids: readonly string[];
  /** @param found in the order of the ids. */
  readonly resolve: (found: Found) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Finds tokens by their ids, all that are asked for in one turn of the event loop with one command: for many callers at once that
 * costs a fraction of a command each.
 */
export class RecordFinder {
  readonly #reader: Reader;
  #wanted: Wanted[] = [];
  /** How many ids these are. */
  #count = 0;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  find(id: string): Promise<Token | undefined> {
    return new Promise((resolve, reject) => this.#want({ ids: [id], resolve: ([token]) => resolve(token), reject }));
  }

  findMany(ids: readonly string[]): Promise<Found> {
    if (ids.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => this.#want({ ids, resolve, reject }));
  }

  #want(wanted: Wanted): void {
    if (this.#count + wanted.ids.length > MOST) this.#fetch();
    this.#count += wanted.ids.length;
    if (this.#wanted.push(wanted) === 1) setImmediate(() => this.#fetch());
  }

  #fetch(): void {
    const wanted = this.#wanted;
    if (wanted.length === 0) return;
    this.#wanted = [];
    this.#count = 0;
    const keys = wanted.flatMap(({ ids }) => ids.map(recordKey));
    this.#reader
      .read((client) => client.mgetBuffer(keys), keys.length)
      .then(
        (records) => {
          let place = 0;
          for (const asked of wanted) {
            answer(asked, records, place);
            place += asked.ids.length;
          }
        },
        (error: unknown) => {
          for (const { reject } of wanted) reject(error);
        },
      );
  }
}

/** A damaged record is the trouble of who asked for it, and of nobody else. */
function answer({ ids, resolve, reject }: Wanted, records: readonly (Buffer | null)[], start: number): void {
  try {
    resolve(
      ids.map((id, index) => {
        const bytes = records[start + index];
        return bytes ? decodeRecord(id, bytes) : undefined;
      }),
    );
  } catch (error) {
    reject(error);
  }
}
