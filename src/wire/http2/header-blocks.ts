import { ConnectionError, ErrorCode, FRAME_HEAD_BYTES } from "./frames.ts";

/** A block of headers of which the last frame has not come. */
interface OpenBlock {
  readonly stream: number;
  readonly endStream: boolean;
  readonly parts: Buffer[];
  size: number;
}

/** Puts blocks of headers together that come in several frames (RFC 9113, section 6.10). */
export class HeaderBlocks {
  readonly #maxBytes: number;
  #open: OpenBlock | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The stream whose block has to go on before anything else may come. */
  get openStream(): number | undefined {
    return this.#open?.stream;
  }

  begin(stream: number, part: Buffer, endStream: boolean): void {
    this.#open = { stream, endStream, parts: [], size: 0 };
    this.add(part);
  }

  /** @throws ConnectionError if it is too much: nobody has to read on to find out how much. */
  add(part: Buffer): void {
    const open = this.#open as OpenBlock;
    // Empty frames count, too, or there could be any number of them (CVE-2024-27316).
    open.size += part.length + FRAME_HEAD_BYTES;
    if (open.size > this.#maxBytes) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "the headers are too large");
    open.parts.push(part);
  }

  /** The block, which is whole now. */
  end(): { readonly block: Buffer; readonly endStream: boolean } {
    const { parts, endStream } = this.#open as OpenBlock;
    this.#open = undefined;
    return { block: Buffer.concat(parts), endStream };
  }
}
