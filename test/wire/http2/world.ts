import { type AddressInfo, createServer } from "node:net";
import { onTestFinished } from "vitest";
import { type Accept, Http2Connection } from "../../../src/wire/http2/connection.ts";
import { encodeHeaders } from "../../../src/wire/http2/header-encoder.ts";
import type { Http2Limits } from "../../../src/wire/http2/limits.ts";
import type { Http2Stream, StreamListener } from "../../../src/wire/http2/stream.ts";
import { defaultLimits } from "../../../src/wire/limits.ts";

export const OK = encodeHeaders([[":status", "200"]]);

/** Requests that came, and what became of them. */
export interface Served {
  readonly port: number;
  readonly connections: Http2Connection[];
  readonly streams: Http2Stream[];
  /** How many streams are not closed. */
  readonly open: () => number;
  /** What should not have been thrown. */
  readonly faults: unknown[];
}

/** Takes what `Accept` takes, and may leave out what it does not listen to. */
export type Serve = (stream: Http2Stream) => Partial<StreamListener>;

/** The HTTP/2 layer by itself: nothing above it but what the test puts there. */
export async function listen(serve: Serve, limits: Partial<Http2Limits> = {}): Promise<Served> {
  const served: Served = { port: 0, connections: [], streams: [], open: () => open, faults: [] };
  let open = 0;
  const accept: Accept = (stream) => {
    open++;
    served.streams.push(stream);
    const listener = serve(stream);
    return {
      onData: (bytes) => listener.onData?.(bytes),
      onEnd: () => listener.onEnd?.(),
      onClose: () => {
        open--;
        listener.onClose?.();
      },
    };
  };
  const server = createServer((socket) => {
    const report = (error: unknown) => void served.faults.push(error);
    served.connections.push(new Http2Connection(socket, { ...defaultLimits, ...limits }, accept, report));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const { socket } of served.connections) socket.destroy();
    server.close();
  });
  return { ...served, port: (server.address() as AddressInfo).port };
}

/** Answers a whole request with this body. */
export function answering(body: Uint8Array): Serve {
  return (stream) => ({
    onData: (bytes) => stream.grant(bytes.length),
    onEnd: () => {
      stream.respond(OK);
      stream.send(body);
      stream.finish();
    },
  });
}
