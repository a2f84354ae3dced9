import { once } from "node:events";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { readableMessage } from "./grpc-message.ts";
import { setHead, type WireResponse } from "./request.ts";

/**
 * Sends what Connect answers, as fast as the client takes it. The headers go with the first of the body, and the trailers are
 * read at its end: only then are they complete.
 *
 * Rejects if the client leaves before it has all.
 */
export async function writeAnswer(answer: UniversalServerResponse, response: WireResponse): Promise<void> {
  const { status, header, body = [], trailer } = answer;
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  for await (const bytes of body) {
    if (!response.headersSent) setHead(response, status, fieldsOf(header));
    if (!response.write(bytes)) await once(response, "drain", { signal: gone.signal });
  }
  if (!response.headersSent) setHead(response, status, fieldsOf(header));
  if (trailer) response.addTrailers(fieldsOf(readableMessage(trailer)));
  response.end();
}

function fieldsOf(headers: Headers | undefined): Record<string, string> {
  return Object.fromEntries(headers ?? []);
}
