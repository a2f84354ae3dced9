import { Code, ConnectError } from "@connectrpc/connect";
import { createServiceClient } from "../support/service.ts";

/** How long a client waits after a failure: the service needs the processor to start. Milliseconds. */
const RETRY_DELAY = 100;

/** What the clients have been told, by secret. */
export interface Acknowledged {
  readonly created: Set<string>;
  readonly deleted: Set<string>;
  /** Their deletion was asked for and not answered: both is right. */
  readonly unknown: Set<string>;
}

interface Goal {
  readonly clients: number;
  /** How many calls must have been answered before the traffic ends. */
  readonly calls: number;
}

/** Creates and deletes, from several clients at once, that go on through every failure until enough was answered. */
export class Traffic {
  readonly acknowledged: Acknowledged = { created: new Set(), deleted: new Set(), unknown: new Set() };
  /** Failures that say anything else than that the service can't be reached or the store can't. */
  readonly surprises: string[] = [];
  readonly done: Promise<void>;
  readonly #url: string;
  readonly #token: string;
  #answered = 0;
  #isStopped = false;

  constructor(url: string, token: string, goal: Goal) {
    this.#url = url;
    this.#token = token;
    const clients = Array.from({ length: goal.clients }, (_, number) => this.#run(`subject-${number}`, goal.calls));
    this.done = Promise.all(clients).then(() => undefined);
  }

  get answered(): number {
    return this.#answered;
  }

  /** Ends it after the calls under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.done;
  }

  async #run(subject: string, calls: number): Promise<void> {
    const client = createServiceClient(this.#url, this.#token);
    const own: string[] = [];
    for (let turn = 0; this.#answered < calls && !this.#isStopped; turn++) {
      try {
        if (turn % 2 === 0 || own.length === 0) {
          const { secret } = await client.create({ subject, kind: "service" }, { timeoutMs: 5000 });
          own.push(secret);
          this.acknowledged.created.add(secret);
        } else {
          await this.#delete(client, own.splice(Math.floor(own.length / 2), 1)[0] as string);
        }
        this.#answered++;
      } catch (error) {
        this.#note(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY));
      }
    }
  }

  async #delete(client: ReturnType<typeof createServiceClient>, secret: string): Promise<void> {
    this.acknowledged.created.delete(secret);
    this.acknowledged.unknown.add(secret);
    await client.delete({ token: { case: "secret", value: secret } }, { timeoutMs: 5000 });
    this.acknowledged.unknown.delete(secret);
    this.acknowledged.deleted.add(secret);
  }

  #note(error: unknown): void {
    const { code, message } = ConnectError.from(error);
    const isLoss =
      code === Code.Unavailable || code === Code.Aborted || code === Code.Canceled || code === Code.Internal;
    if (!isLoss) this.surprises.push(`${Code[code]} ${message}`);
  }
}

/** How many of what was acknowledged the service now contradicts. */
export async function countContradictions(url: string, token: string, { created, deleted }: Acknowledged) {
  const client = createServiceClient(url, token);
  const count = async (secrets: Iterable<string>, expected: boolean) => {
    const all = [...secrets];
    let wrong = 0;
    for (let start = 0; start < all.length; start += 100) {
      const requests = all.slice(start, start + 100).map((secret) => ({ secret, peek: true }));
      const { responses } = await client.batchIntrospect({ requests });
      wrong += responses.filter((answer) => answer.active !== expected).length;
    }
    return wrong;
  };
  return { lost: await count(created, true), revived: await count(deleted, false) };
}
