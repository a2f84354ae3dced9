import type { Readable } from "node:stream";
import { FRAME_HEAD_BYTES, readFrameLength, tooLarge } from "./grpc-frame.ts";

/** How long a body may be. */
export interface BodyLimit {
  /** The largest message. */
  readonly maxBytes: number;
  /** Whether the message comes in a frame, whose head says how long it is. */
  readonly framed: boolean;
}

/**
 * Settles `body` with what comes in: with all of it when it ends, or with MESSAGE_TOO_LARGE as soon as its announced length,
 * the head of its frame or what has come so far is beyond the limit. Whatever comes after that is dropped.
 *
 * @param announced the header `content-length`.
 */
export function collectBody(
  source: Readable,
  announced: string | undefined,
  { maxBytes, framed }: BodyLimit,
  body: PromiseWithResolvers<Buffer>,
): void {
  const limit = framed ? maxBytes + FRAME_HEAD_BYTES : maxBytes;
  const chunks: Buffer[] = [];
  let size = 0;
  let knowsLength = !framed;
  const joined = () => (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));

  const take = (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    try {
      if (size > limit) throw tooLarge(maxBytes);
      if (!knowsLength) knowsLength = readFrameLength(joined(), maxBytes) !== undefined;
    } catch (error) {
      fail(error);
    }
  };
  const fail = (error: unknown) => {
    source.off("data", take);
    chunks.length = 0;
    body.reject(error);
  };

  if (Number(announced ?? 0) > limit) fail(tooLarge(maxBytes));
  else source.on("data", take);
  source.once("end", () => body.resolve(joined()));
}
