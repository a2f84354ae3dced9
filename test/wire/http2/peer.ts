import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { HeaderDecoder } from "../../../src/wire/http2/header-decoder.ts";
import { ACK, END_STREAM, opening, Type } from "../http2-bytes.ts";

/** A frame that the server sent. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** What came on a stream until its end: the headers with the trailers, the body, and the code of a reset. */
export interface Answer {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly resetCode: number | undefined;
}

/**
 * An HTTP/2 client that sends the bytes it is given and nothing else: no acknowledgement, no window. It cuts what comes into frames
 * by itself; only for headers it trusts the server's decoder, which is held against others in header-decoder.test.ts.
 */
export class Peer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<void>;
  isClosed = false;
  readonly #decoder = new HeaderDecoder(1024 * 1024);
  readonly #fields = new Map<Frame, readonly (readonly [string, string])[]>();
  #rest: Buffer = Buffer.alloc(0);
  #wake = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => this.#read(chunk));
    socket.once("close", () => {
      this.isClosed = true;
      this.#stir();
    });
  }

  send(...bytes: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** The first frame that `matches`, once it is there; rejects if the connection closes without one. */
  async frame(matches: (frame: Frame) => boolean): Promise<Frame> {
    for (let seen = 0; ; ) {
      for (; seen < this.frames.length; seen++) {
        const frame = this.frames[seen] as Frame;
        if (matches(frame)) return frame;
      }
      if (this.isClosed) throw new Error("the server closed the connection");
      await this.#wake.promise;
    }
  }

  of(type: number, stream: number): readonly Frame[] {
    return this.frames.filter((frame) => frame.type === type && frame.stream === stream);
  }

  /** The code of the GOAWAY that tells of an error. */
  async failure(): Promise<number> {
    const isError = ({ type, payload }: Frame) => type === Type.GOAWAY && payload.readUInt32BE(4) !== 0;
    return (await this.frame(isError)).payload.readUInt32BE(4);
  }

  /** Resolves when the server has read all that was sent so far. */
  async settle(): Promise<void> {
    const payload = Buffer.from(String(Math.random()).padEnd(10, "0").slice(2, 10));
    this.send(Buffer.concat([Buffer.of(0, 0, 8, Type.PING, 0, 0, 0, 0, 0), payload]));
    await this.frame(({ type, flags, payload: echo }) => type === Type.PING && flags === ACK && echo.equals(payload));
  }

  /** All of the answer on a stream, once it has ended. */
  async answer(stream: number): Promise<Answer> {
    await this.frame(
      ({ type, flags, stream: id }) =>
        id === stream &&
        (type === Type.RST_STREAM || ((type === Type.DATA || type === Type.HEADERS) && (flags & END_STREAM) !== 0)),
    );
    const body = Buffer.concat(this.of(Type.DATA, stream).map(({ payload }) => payload));
    const [reset] = this.of(Type.RST_STREAM, stream);
    return { headers: Object.fromEntries(this.fields(stream)), body, resetCode: reset?.payload.readUInt32BE() };
  }

  /** The headers that came on a stream so far. */
  fields(stream: number): readonly (readonly [string, string])[] {
    return this.of(Type.HEADERS, stream).flatMap((frame) => this.#fields.get(frame) ?? []);
  }

  #read(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      const [type = 0, flags = 0] = this.#rest.subarray(3);
      const stream = this.#rest.readUInt32BE(5);
      this.#note({ type, flags, stream, payload: Buffer.from(this.#rest.subarray(9, end)) });
      this.#rest = this.#rest.subarray(end);
    }
    this.#stir();
  }

  #note(frame: Frame): void {
    this.frames.push(frame);
    if (frame.type !== Type.HEADERS) return;
    const headers = this.#decoder.decode(frame.payload) ?? [];
    this.#fields.set(
      frame,
      headers.map(({ name, value }) => [name, value]),
    );
  }

  #stir(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** Connects, and greets as a client does unless told not to. */
export async function dialPeer(
  port: number,
  { greet = true, values = {} }: { greet?: boolean; values?: Readonly<Record<number, number>> } = {},
): Promise<Peer> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const peer = new Peer(socket);
  await new Promise((resolve) => socket.once("connect", resolve));
  if (greet) peer.send(opening(values));
  return peer;
}
