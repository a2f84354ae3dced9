import type { DatabaseSync } from "node:sqlite";

/** How many writes go into one transaction at most, and after how many milliseconds no more do, so that reads do not wait long for it. */
const BATCH = 256;
const LONG = 8;

interface Write {
  /** What it wrote, or why it wrote nothing. */
  readonly run: () => () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Makes one transaction of the writes that come in one turn of the event loop: they wait for the disk together, not one after the
 * other. Each of them is still atomic for itself, and answered once it is on the disk.
 */
export class SqliteWriter {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #waiting: Write[] = [];

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepareStatements(database);
  }

  /** Runs a write in a transaction. If it throws, it has written nothing. */
  write<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.#database.isOpen) throw new Error("the database is closed");
      const write = () => {
        const result = run();
        return () => resolve(result);
      };
      if (this.#waiting.push({ run: write, fail: reject }) === 1) setImmediate(() => this.#next());
    });
  }

  /** Writes all that waits. */
  flush(): void {
    while (this.#waiting.length > 0) this.#commit();
  }

  #next(): void {
    if (this.#waiting.length > 0) this.#commit();
    if (this.#waiting.length > 0) setImmediate(() => this.#next());
  }

  #commit(): void {
    const batch: Write[] = [];
    const answers: (() => void)[] = [];
    const start = performance.now();
    try {
      this.#statements.begin.run();
      while (batch.length < BATCH && performance.now() - start < LONG) {
        const write = this.#waiting.shift();
        if (!write) break;
        batch.push(write);
        const { run, fail } = write;
        this.#statements.savepoint.run();
        try {
          answers.push(run());
          this.#statements.release.run();
        } catch (error) {
          // Some faults, a full disk for example, end the whole transaction.
          if (!this.#database.isTransaction) throw error;
          this.#statements.undo.run();
          this.#statements.release.run();
          answers.push(() => fail(error));
        }
      }
      this.#statements.commit.run();
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#statements.rollback.run();
      // Where not even the beginning went well, none has been taken yet.
      for (const { fail } of batch.length > 0 ? batch : this.#waiting.splice(0, BATCH)) fail(error);
      return;
    }
    for (const answer of answers) answer();
  }
}

function prepareStatements(database: DatabaseSync) {
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
    savepoint: database.prepare("SAVEPOINT one_write"),
    release: database.prepare("RELEASE one_write"),
    undo: database.prepare("ROLLBACK TO one_write"),
  };
}
