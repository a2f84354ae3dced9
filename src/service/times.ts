import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { fieldError } from "../errors.ts";

const BILLION = 1_000_000_000;

/** @throws LIFETIME_INVALID if it is not a well-formed Duration (google/protobuf/duration.proto). */
export function durationToMs(field: string, { seconds, nanos }: Duration): number {
  const opposed = (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0);
  if (Math.abs(nanos) >= BILLION || opposed) throw fieldError("LIFETIME_INVALID", field, "is not a valid Duration");
  return Number(seconds) * 1000 + nanos / 1_000_000;
}

/** Undefined stays undefined. @throws INVALID_REQUEST if it is not a well-formed Timestamp. */
export function timestampToMs(field: string, timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  const { seconds, nanos } = timestamp;
  if (nanos < 0 || nanos >= BILLION) throw fieldError("INVALID_REQUEST", field, "is not a valid Timestamp");
  return Number(seconds) * 1000 + Math.floor(nanos / 1_000_000);
}

/**
 * So many milliseconds as a Timestamp, since 1970, or as a Duration. The BigInt is made when somebody asks for it: there are
 * four of these in every introspection, and it costs more than to write all of them.
 */
export class Moment {
  readonly wholeSeconds: number;
  readonly nanos: number;

  constructor(milliseconds: number) {
    this.wholeSeconds = Math.trunc(milliseconds / 1000);
    this.nanos = (milliseconds % 1000) * 1_000_000;
  }

  get seconds(): bigint {
    return BigInt(this.wholeSeconds);
  }
}
