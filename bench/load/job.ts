/** What the process that makes the load is told, and what it answers. Both cross a process boundary as JSON. */
export interface Job {
  readonly target: Target;
  readonly pace: Pace;
  /** Seconds before the clock starts, and seconds measured. */
  readonly warmUp: number;
  readonly seconds: number;
  /** Processes whose time on the processor is read when the clock starts and when it stops. */
  readonly watch: readonly number[];
}

/** As many calls at once as the connections carry, or so many a second, whatever becomes of those before. */
export type Pace = { readonly type: "closed" } | { readonly type: "open"; readonly rate: number };

/** Where the calls go, and what they look like. All calls of a target are of one size. */
export interface Target {
  readonly url: string;
  readonly protocol: "grpc" | "connect" | "http1";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  /** How many calls a connection carries at once, when as many as possible are wanted. */
  readonly depth: number;
  /** What stands before and after the key in a message, in base64. */
  readonly before: string;
  readonly after: string;
  /** How many keys a call asks for: with more than one, each is a message of its own in field 1 of the call's message. */
  readonly keysPerCall: number;
  readonly keys: KeyFile;
  readonly expect: Expectation;
}

/** The keys that the calls of a target pick from. */
export interface KeyFile {
  readonly path: string;
  /** Like visitors pick pages, a few very often and most hardly ever; or one after the other. */
  readonly order: "zipf" | "in-turn";
  readonly keyBytes: number;
  readonly proofBytes: number;
}

/** What an answer must be, besides a success by its protocol. */
export type Expectation =
  /** An IntrospectResponse that is active and holds the proof, or is not active, as the key file says. */
  | { readonly type: "verdict" }
  /** A BatchIntrospectResponse with such a verdict for each key. */
  | { readonly type: "verdicts" }
  /** JSON in which this field is true and which holds the proof, or in which it is false. */
  | { readonly type: "json"; readonly field: string }
  /** A message with so many of field 1. */
  | { readonly type: "items"; readonly count: number };

export interface Report {
  /** Right answers while the clock ran. */
  readonly calls: number;
  readonly seconds: number;
  /** Wrong answers and faults, from the beginning of the warm-up. */
  readonly faults: number;
  /** The first few of them, in words. */
  readonly examples: readonly string[];
  /** Microseconds from when a call was due to its answer: the percentiles, and the longest. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Seconds on the processor of each watched process. */
  readonly cpu: readonly number[];
  /** Seconds on the processor of the process that makes the load. */
  readonly ownCpu: number;
  /** How many calls were under way when their client left. */
  readonly abandoned: number;
}
