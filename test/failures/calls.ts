import { setTimeout } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { connectPlayers, type Player } from "../support/players.ts";

/** How long clients wait for an answer, in milliseconds: most of them for longer than Latchkey ever waits for Redis. */
const DEADLINES = [100, 2000, 2000, 2000, 2000] as const;
/** After which a call that has no answer is given up, in milliseconds beyond its deadline. */
const GIVE_UP = 5000;

type Headers = Readonly<Record<string, string>>;

/** Notes how each call ends. The deadlines are sent and not kept by the clients themselves, so that the service must keep them. */
export class Calls {
  /** Refused with all that a client needs to try again. */
  unavailable = 0;
  /** DEADLINE_EXCEEDED. */
  late = 0;
  /** The longest time from begin to end, and beyond a deadline, in milliseconds. */
  slowest = 0;
  overrun = 0;
  /** What no client should see, whatever happens to Redis. */
  readonly faults = new Set<string>();
  #count = 0;

  /** Like `connectPlayers`, with deadlines. */
  readonly connect: typeof connectPlayers = (urls, count) =>
    connectPlayers(urls, count).map((player) => this.#watch(player));

  #watch(player: Player): Player {
    const root = new Proxy(player.root, {
      get: (methods, name) => {
        const method = Reflect.get(methods, name) as (request: unknown, options: object) => Promise<unknown>;
        return (request: unknown) => this.#note(String(name), (headers) => method(request, { headers }));
      },
    });
    return {
      ...player,
      root,
      callWith: (secret) => this.#note("callWith", (headers) => player.callWith(secret, headers)),
      introspectWith: (secret) => this.#note("introspectWith", (headers) => player.introspectWith(secret, headers)),
    };
  }

  async #note(method: string, call: (headers: Headers) => Promise<unknown>): Promise<unknown> {
    const deadline = DEADLINES[this.#count++ % DEADLINES.length] as number;
    const headers = { "connect-timeout-ms": `${deadline}`, "grpc-timeout": `${deadline}m` };
    const given = new AbortController();
    const giveUp = setTimeout(deadline + GIVE_UP, undefined, { signal: given.signal }).then(() => {
      throw new ConnectError("no answer", Code.DeadlineExceeded);
    });
    const began = performance.now();
    try {
      return await Promise.race([call(headers), giveUp]);
    } catch (error) {
      this.#judge(method, ConnectError.from(error));
      throw error;
    } finally {
      given.abort();
      giveUp.catch(() => {});
      const took = performance.now() - began;
      this.slowest = Math.max(this.slowest, took);
      this.overrun = Math.max(this.overrun, took - deadline);
    }
  }

  #judge(method: string, error: ConnectError): void {
    const reason = error.findDetails(ErrorInfoSchema)[0]?.reason;
    const [retry] = error.findDetails(RetryInfoSchema);
    if (error.code === Code.DeadlineExceeded) this.late++;
    else if (error.code === Code.Unavailable && reason === "STORE_UNAVAILABLE" && retry) this.unavailable++;
    // What a reason says of a token is held against the history.
    else if (OURS.includes(error.code) || reason === undefined)
      this.faults.add(`${method}: ${error.message} (${reason})`);
  }
}

/** Codes that never are the caller's fault. */
const OURS = [Code.Unavailable, Code.Internal, Code.Unknown, Code.DataLoss, Code.Canceled];
