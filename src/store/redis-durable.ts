import { TokenError } from "../errors.ts";
import { unavailable } from "./redis-errors.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";

/** When something is acknowledged. */
export interface Durability {
  /** How many replicas must have it; 0: none, the master alone is enough. */
  readonly replicas: number;
  /** How many milliseconds they may take. Less than `SOCKET_TIMEOUT`, for they answer nothing meanwhile. */
  readonly timeout: number;
}

/** How long a connection may be silent while something is asked of it, in milliseconds. */
export const SOCKET_TIMEOUT = 800;
/** How many pieces of work one wait is for, so that its answers do not come all at once. */
const MOST = 512;

interface Member {
  /** Does the work, and says how to answer it once that stands. */
  readonly run: () => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

/** Told of each group, whether the replicas had it in time. */
export type Told = (cause: Error | undefined) => void;

/**
 * Answers work on a connection only when the replicas have all that it rests on: what it wrote, and what it found there, whoever had
 * written that. Redis blocks a connection that waits for its replicas, so work that comes meanwhile is sent together, and waits together.
 */
export class DurableGroups {
  readonly #begin: () => Promise<() => Promise<void>>;
  #waiting: Member[] = [];
  #isBusy = false;

  /** @param begin resolves when the connection serves, and answers how to wait for the replicas on that very connection. */
  constructor(begin: () => Promise<() => Promise<void>>) {
    this.#begin = begin;
  }

  /** Rejects with STORE_UNAVAILABLE where the replicas do not have it in time: it may be done then, or not. */
  join<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const work = async () => {
        const result = await run();
        return () => resolve(result);
      };
      this.#waiting.push({ run: work, reject });
      if (this.#isBusy) return;
      this.#isBusy = true;
      setImmediate(() => void this.#go());
    });
  }

  async #go(): Promise<void> {
    while (this.#waiting.length > 0) {
      const members = this.#waiting.splice(0, MOST);
      try {
        await this.#settle(members);
      } catch (error) {
        for (const { reject } of members) reject(error);
        // They have waited for as long already, and would be no better off.
        if (error instanceof TokenError) for (const { reject } of this.#waiting.splice(0)) reject(error);
      }
    }
    this.#isBusy = false;
  }

  async #settle(members: readonly Member[]): Promise<void> {
    const confirm = await this.#begin();
    const answers: (() => void)[] = [];
    const works = members.map(async ({ run, reject }) => {
      // What Redis itself refuses was not done, which needs nobody's confirmation.
      await run().then((answer) => answers.push(answer), reject);
    });
    await Promise.all(works);
    if (answers.length > 0) await confirm();
    for (const answer of answers) answer();
  }
}

/**
 * Resolves when the replicas have all that the server has done so far.
 *
 * @param tick a write that changes nothing: from 7.2 on a wait is for the connection's last write, whatever others have written
 * since, and where it has only read or was refused, that may be long ago.
 * @throws STORE_UNAVAILABLE if they do not have it in time.
 */
export async function awaitReplicas(
  client: ScriptedRedis,
  { replicas, timeout }: Durability,
  tick: (client: ScriptedRedis) => Promise<unknown>,
  tell: Told,
): Promise<void> {
  const [, count] = await Promise.all([tick(client), client.wait(replicas, timeout)]);
  if (count >= replicas) return tell(undefined);
  const cause = new Error(`${count} of ${replicas} replicas have confirmed within ${timeout} ms`);
  tell(cause);
  throw unavailable(cause, "too few replicas have confirmed: the change may stand or not");
}
