import type { Header } from "./header.ts";

/** What a request says before its body. */
export class RequestHead {
  method = "";
  scheme = "";
  authority = "";
  /** Begins with a slash; or the asterisk of OPTIONS. */
  path = "";
  /** All but those with a colon, as the client sent them and in its order. */
  readonly headers: readonly Header[];

  constructor(headers: readonly Header[]) {
    this.headers = headers;
  }

  /** The first header of this name, in lower case. */
  value(name: string): string | undefined {
    for (const header of this.headers) if (header.name === name) return header.value;
    return undefined;
  }

  /** All headers of this name. */
  values(name: string): readonly string[] {
    return this.headers.filter((header) => header.name === name).map((header) => header.value);
  }
}

/** The fields of those headers that begin with a colon, which must come first. */
const PSEUDO: Readonly<Record<string, "method" | "scheme" | "authority" | "path">> = {
  ":method": "method",
  ":scheme": "scheme",
  ":authority": "authority",
  ":path": "path",
};

/** Reads the headers that a request begins with; undefined if they are malformed (RFC 9113, section 8.3). */
export function readRequestHead(headers: readonly Header[]): RequestHead | undefined {
  const first = headers.findIndex(({ name }) => !name.startsWith(":"));
  const count = first < 0 ? headers.length : first;
  const rest = headers.slice(count);
  if (!areTrailers(rest)) return undefined;
  const head = new RequestHead(rest);
  for (const { name, value, isValid } of headers.slice(0, count)) {
    const field = PSEUDO[name];
    // Each at most once.
    if (!field || !isValid || head[field] !== "") return undefined;
    if (value === "" && field !== "authority") return undefined;
    head[field] = value;
  }
  const { method, scheme, path } = head;
  const isComplete = method !== "" && scheme !== "" && (path.startsWith("/") || (path === "*" && method === "OPTIONS"));
  return isComplete ? head : undefined;
}

/** Whether headers may follow a body (RFC 9113, section 8.1). */
export function areTrailers(headers: readonly Header[]): boolean {
  return headers.every(({ name, isValid }) => isValid && !name.startsWith(":"));
}
