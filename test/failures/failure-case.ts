import type { Partition } from "../support/partition.ts";

/** Servers, and what a case may do to them. */
export interface FailingServers {
  /** What `LATCHKEY_STORE` says. */
  readonly url: string;
  /** How many masters share the slots. */
  readonly shards: number;
  /** Where there is one, an instance and its clients are on the island. */
  readonly partition?: Partition | undefined;
  stop(): Promise<void>;
}

/** Something that goes wrong, and what must be so nevertheless. */
export interface FailureCase<Servers extends FailingServers> {
  readonly what: string;
  /**
   * With how many replicas waited for (`LATCHKEY_WAIT_REPLICAS`) it is tried, and whether it is promised then that all that was
   * acknowledged stands.
   */
  readonly stands: Readonly<Record<number, boolean>>;
  /** Whether instances must say that they are not ready while it lasts, or must not. Undefined where it depends on the moment. */
  readonly ready?: boolean;
  /** How long it lasts from when `begin` is over, in milliseconds. 1500 unless told. */
  readonly lasts?: number;
  begin(servers: Servers): unknown;
  end?(servers: Servers): unknown;
}
