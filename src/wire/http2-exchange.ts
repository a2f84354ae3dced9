import type { Http2Stream, StreamListener } from "./http2/stream.ts";
import { Http2Request } from "./http2-request.ts";
import { Http2Response } from "./http2-response.ts";
import type { Route } from "./request.ts";

/** Sends the request of a stream the common way. */
export function serveStream(stream: Http2Stream, route: Route): StreamListener {
  const request = new Http2Request(stream);
  const response = new Http2Response(stream);
  // Few clients wait to be asked for the body; they may wait for ever (RFC 9110, section 10.1.1).
  if (/^100-continue$/i.test(stream.head.value("expect") ?? "")) stream.invite();
  route(request, response);
  return {
    onData: (bytes) => request.add(bytes),
    onEnd: () => request.end(),
    onClose() {
      if (!request.readableEnded) request.destroy(new Error("the client left"));
      if (!response.isWhole) response.destroy();
    },
  };
}
