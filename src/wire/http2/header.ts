/** A header of HTTP/2. The same object each time that a client points at it in its table, so that it is checked once. */
export interface Header {
  readonly name: string;
  /** One character for each byte. */
  readonly value: string;
  /** Whether HTTP/2 allows it in a request (RFC 9113, section 8.2). */
  readonly isValid: boolean;
}

const PSEUDO = new Set([":method", ":scheme", ":authority", ":path"]);
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** No NUL, line feed or carriage return anywhere, and no blank at either end. */
const VALUE = /^(?![ \t])[^\0\n\r]*(?<![ \t])$/;
/** What is said about a connection has frames of its own. */
const OF_CONNECTIONS = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

export function createHeader(name: string, value: string): Header {
  return { name, value, isValid: isValid(name, value) };
}

function isValid(name: string, value: string): boolean {
  if (!VALUE.test(value)) return false;
  if (name.startsWith(":")) return PSEUDO.has(name);
  return NAME.test(name) && !OF_CONNECTIONS.has(name) && (name !== "te" || value === "trailers");
}
