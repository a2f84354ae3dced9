import { z } from "zod";

/** Headers that mean something to HTTP, to one of the protocols or to proxies. */
const TAKEN = new Set([
  ...[
    "accept",
    "authorization",
    "connection",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "origin",
    "pragma",
  ],
  ...["prefer", "priority", "range", "referer", "te", "trailer", "upgrade", "user-agent", "via", "warning"],
]);
const TAKEN_PREFIXES = [
  ...["accept-", "access-control-", "cache-", "connect-", "content-", "grpc-", "if-", "keep-", "proxy-", "sec-"],
  ...["transfer-", "x-forwarded-", "x-grpc-", "x-user-agent"],
];

/** The name of a header that is free to mean something of our own; becomes lower case. */
export const headerName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, "must be the name of a header: letters, digits and -, 64 at most")
  .transform((name) => name.toLowerCase())
  .refine((name) => !isTaken(name), "is a header that means something else");

/** The protocols take `-bin` for base64. */
function isTaken(name: string): boolean {
  return TAKEN.has(name) || name.endsWith("-bin") || TAKEN_PREFIXES.some((prefix) => name.startsWith(prefix));
}
