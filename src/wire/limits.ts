/** What one connection and one request may cost. Durations are milliseconds, sizes are bytes unless a name says otherwise. */
export interface Limits {
  /** The largest request message. Create with 64 scopes, 16 audiences and 4 KiB of claims, all at their longest, is under 32 KiB. */
  readonly messageBytes: number;
  /** Methods whose valid requests can be larger than `messageBytes`. */
  readonly messageBytesOf: Readonly<Record<string, number>>;
  /** The deadline of a unary call whose client sends none; it covers reading the request, too. */
  readonly defaultTimeout: number;
  /** The longest deadline of a unary call. A longer one is cut to it, since a client's generous default is no fault. */
  readonly maxTimeout: number;
  /** How long a streaming call (Health.Watch, reflection) may last. Its clients open it again. */
  readonly streamTimeout: number;
  /** A TLS handshake, the HTTP/2 preface and the headers of an HTTP/1.1 request must each arrive within this. */
  readonly headersTimeout: number;
  /** A whole HTTP/1.1 request must arrive within this, so that nobody holds a connection by a slow body. */
  readonly requestTimeout: number;
  /** An HTTP/1.1 connection without a request is closed after this: later than the 60 s of common load balancers. */
  readonly keepAliveTimeout: number;
  /** An HTTP/2 connection without traffic is closed after this. */
  readonly idleTimeout: number;
  /** All headers of a request together. */
  readonly headerBytes: number;
  /** Open connections of this process. More are closed at once. */
  readonly maxConnections: number;
  /** Calls in flight on one HTTP/2 connection. */
  readonly maxConcurrentStreams: number;
  /**
   * HTTP/2 streams that a client may reset, or break rules on, at once before its connection is closed (rapid reset, CVE-2023-44487):
   * more than `maxConcurrentStreams`, since the deadlines of all calls in flight may pass together …
   */
  readonly streamResetBurst: number;
  /** … and per second from then on. */
  readonly streamResetRate: number;
  /** How many bytes of requests that are not whole one HTTP/2 connection may hold. Eight full batches come at once without a wait. */
  readonly connectionBytes: number;
}

const KIB = 1024;
const SECOND = 1000;

export const defaultLimits: Limits = {
  messageBytes: 64 * KIB,
  messageBytesOf: {
    // 100 secrets of 8 KiB and 2 KiB of conditions for each. A real batch of opaque secrets is about 10 KiB.
    BatchIntrospect: 1024 * KIB,
    // 1,000 `except_ids` of 64 bytes, in JSON.
    DeleteAll: 128 * KIB,
  },
  defaultTimeout: 10 * SECOND,
  maxTimeout: 30 * SECOND,
  streamTimeout: 600 * SECOND,
  headersTimeout: 10 * SECOND,
  requestTimeout: 30 * SECOND,
  keepAliveTimeout: 65 * SECOND,
  idleTimeout: 300 * SECOND,
  headerBytes: 16 * KIB,
  maxConnections: 20_000,
  maxConcurrentStreams: 128,
  streamResetBurst: 256,
  streamResetRate: 33,
  connectionBytes: 10 * 1024 * KIB,
};

/** The largest request message of a method. */
export function messageBytes(limits: Limits, method: { readonly name: string }): number {
  return limits.messageBytesOf[method.name] ?? limits.messageBytes;
}
