/** What one connection may cost. Durations are milliseconds. */
export interface Http2Limits {
  /** All headers of a request together, in bytes. */
  readonly headerBytes: number;
  /** How long the client's first frame may take. */
  readonly headersTimeout: number;
  /** After how long without traffic the connection is given up. */
  readonly idleTimeout: number;
  readonly maxConcurrentStreams: number;
  /** How many bytes of request bodies the server holds for the client at once. */
  readonly connectionBytes: number;
  /** How many streams the client may reset, or break rules on, at once, */
  readonly streamResetBurst: number;
  /** and per second from then on. */
  readonly streamResetRate: number;
}
