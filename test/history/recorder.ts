import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { Act, Operation } from "./history.ts";

/** What came of a call: its answer, or the reason for which there is none. */
export type Result<Answer> =
  | { readonly outcome: "done"; readonly answer: Answer }
  | { readonly outcome: string; readonly answer?: undefined };

/** Writes a history down while it happens. Its clock is `performance.now()`. */
export class Recorder {
  readonly history: Operation[] = [];
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

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

  /** Makes a call and notes what it was, one act for each of its parts. Answers the result. */
  async note<Answer>(
    client: string,
    call: () => Promise<Answer>,
    describe: (result: Result<Answer>) => Act[],
  ): Promise<Result<Answer>> {
    const began = performance.now();
    const result = await call().then(
      (answer): Result<Answer> => ({ outcome: "done", answer }),
      (error): Result<Answer> => ({ outcome: outcomeOf(error) }),
    );
    const ended = performance.now();
    for (const act of describe(result)) {
      this.history.push({ client, began, ended: act.outcome === "unknown" ? Number.POSITIVE_INFINITY : ended, ...act });
    }
    return result;
  }
}

/** Codes of calls that may have had their effect nevertheless. */
const UNKNOWN = [Code.Unavailable, Code.DeadlineExceeded, Code.Canceled];

function outcomeOf(error: unknown): string {
  const refusal = ConnectError.from(error);
  if (UNKNOWN.includes(refusal.code)) return "unknown";
  const reason = refusal.findDetails(ErrorInfoSchema)[0]?.reason;
  if (reason === undefined) throw error;
  return reason;
}
