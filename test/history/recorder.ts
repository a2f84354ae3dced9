import { setTimeout } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { Player } from "../support/players.ts";
import type { Act, Operation } from "./history.ts";

/** What came of a call: its answer, or the reason for which there is none. */
export type Result<Answer> =
  | { readonly outcome: "done"; readonly answer: Answer }
  | { readonly outcome: string; readonly answer?: undefined };

/** How long a client waits after a call that was not answered, in milliseconds. */
const PAUSE = 20;

/** Writes a history down while it happens. Its clock is `performance.now()`. */
export class Recorder {
  readonly history: Operation[] = [];
  #answered = 0;
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** How many of the operations are no unknown. */
  get answered(): number {
    return this.#answered;
  }

  /** What a secret of the token is called in the history, which must not hold it. */
  nameSecret(id: string, secret: string): string {
    const known = this.#names.get(secret);
    if (known !== undefined) return known;
    const count = (this.#counts.get(id) ?? 0) + 1;
    const name = `${id}/${count}`;
    this.#counts.set(id, count);
    this.#names.set(secret, name);
    return name;
  }

  /** Makes a call and notes what it was, one act for each of its parts. */
  async note<Answer>(
    { name: client, instance }: Pick<Player, "name" | "instance">,
    call: () => Promise<Answer>,
    describe: (result: Result<Answer>) => Act[],
  ): Promise<void> {
    const began = performance.now();
    const result = await call().then(
      (answer): Result<Answer> => ({ outcome: "done", answer }),
      (error): Result<Answer> => ({ outcome: outcomeOf(error) }),
    );
    const ended = performance.now();
    for (const act of describe(result)) {
      const isAnswered = act.outcome !== "unknown";
      if (isAnswered) this.#answered++;
      this.history.push({ client, instance, began, ended: isAnswered ? ended : Number.POSITIVE_INFINITY, ...act });
    }
    // A service that is down, or on its way up, needs the processor.
    if (result.outcome === "unknown") await setTimeout(PAUSE);
  }
}

/** Codes of calls that may have had their effect nevertheless. The first three also come from the service itself. */
const UNKNOWN = [Code.Unavailable, Code.DeadlineExceeded, Code.Canceled];
const BROKEN = [Code.Aborted, Code.Internal, Code.Unknown];

function outcomeOf(error: unknown): string {
  if (isUnknown(error)) return "unknown";
  const reason = reasonOf(ConnectError.from(error));
  if (reason === undefined) throw error;
  return reason;
}

function isUnknown(error: unknown): boolean {
  const refusal = ConnectError.from(error);
  return UNKNOWN.includes(refusal.code) || (BROKEN.includes(refusal.code) && reasonOf(refusal) === undefined);
}

function reasonOf(error: ConnectError): string | undefined {
  return error.findDetails(ErrorInfoSchema)[0]?.reason;
}

/** How often a call is made again that was not answered, unless told. */
const REPEATS = 100;

/**
 * Makes a call that carries a request id until it is answered. What it did earlier is not known if a repeat is refused; nor if the token
 * is gone, for the service itself looks again where Redis did not answer it, and somebody may have deleted meanwhile what it made.
 */
export async function insist<Answer>(call: (attempt: number) => Promise<Answer>, repeats = REPEATS): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call(attempt);
    } catch (error) {
      if (attempt === repeats || !isUnknown(error)) {
        throw attempt === 0 && reasonOf(ConnectError.from(error)) !== "TOKEN_NOT_FOUND"
          ? error
          : new ConnectError("a repeat failed", Code.Unavailable, undefined, undefined, error);
      }
      await setTimeout(PAUSE);
    }
  }
}
