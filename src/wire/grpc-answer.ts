import type { ConnectError } from "@connectrpc/connect";
import { statusHeaders } from "./grpc-status.ts";
import { encodeHeaders } from "./http2/header-encoder.ts";
import { protectiveHeaders } from "./protection.ts";

const PROTECTION = Object.entries(protectiveHeaders);

/** What follows the message of a call that went well. */
export const OK_TRAILERS = encodeHeaders([["grpc-status", "0"]]);

const heads = new Map<string, Buffer>();
let second = 0;

/** What comes before it. Made once a second, because it has the time. */
export function okHeaders(contentType: string): Buffer {
  const now = Math.trunc(Date.now() / 1000);
  if (now !== second) heads.clear();
  second = now;
  const known = heads.get(contentType);
  if (known) return known;
  const head = encodeHeaders([[":status", "200"], ["content-type", contentType], ...PROTECTION, ["date", date()]]);
  heads.set(contentType, head);
  return head;
}

/** An answer without a message, all of it. */
export function errorHeaders(contentType: string, error: ConnectError): Buffer {
  const status = Object.entries(statusHeaders(contentType, error));
  return encodeHeaders([[":status", "200"], ...status, ...PROTECTION, ["date", date()]]);
}

function date(): string {
  return new Date().toUTCString();
}
