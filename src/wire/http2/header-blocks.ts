import { broken, ConnectionError, ErrorCode, Flag, FRAME_HEAD_BYTES, FrameType } from "./frames.ts";
import { unpad, withoutPriority } from "./payload.ts";

/** A block of headers that is whole. */
export interface HeaderBlock {
  readonly stream: number;
  readonly block: Buffer;
  readonly endStream: boolean;
}

/** One of which the last frame has not come. */
interface OpenBlock {
  readonly stream: number;
  readonly endStream: boolean;
  readonly parts: Buffer[];
  size: number;
}

/** Puts blocks of headers together, which may come in several frames (RFC 9113, sections 6.2 and 6.10). */
export class HeaderBlocks {
  readonly #maxBytes: number;
  #open: OpenBlock | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws ConnectionError if the frame stands in the middle of a block that it is no part of. */
  check(type: number, stream: number): void {
    if (this.#open === undefined || (type === FrameType.CONTINUATION && stream === this.#open.stream)) return;
    throw broken("a block of headers does not go on");
  }

  /** Takes a frame of HEADERS; answers the block if that is all of it. @throws ConnectionError */
  begin(flags: number, stream: number, payload: Buffer): HeaderBlock | undefined {
    if (stream % 2 === 0) throw broken("clients open streams with odd numbers");
    const unpadded = flags & Flag.PADDED ? unpad(payload) : payload;
    const part = flags & Flag.PRIORITY ? withoutPriority(unpadded) : unpadded;
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if (flags & Flag.END_HEADERS) return { stream, block: part, endStream };
    this.#open = { stream, endStream, parts: [], size: 0 };
    return this.add(flags, part);
  }

  /**
   * Takes a frame of CONTINUATION; answers the block if it was the last of it.
   *
   * @throws ConnectionError also if it is too much: nobody has to read on to find out how much.
   */
  add(flags: number, part: Buffer): HeaderBlock | undefined {
    const open = this.#open;
    if (open === undefined) throw broken("there is no block of headers to go on with");
    // Empty frames count, too, or there could be any number of them (CVE-2024-27316).
    open.size += part.length + FRAME_HEAD_BYTES;
    if (open.size > this.#maxBytes) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "the headers are too large");
    open.parts.push(part);
    if ((flags & Flag.END_HEADERS) === 0) return undefined;
    this.#open = undefined;
    return { stream: open.stream, block: Buffer.concat(open.parts), endStream: open.endStream };
  }
}
