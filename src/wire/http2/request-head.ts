import type { Header } from "./header.ts";

/** What a request says before its body. */
export class RequestHead {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  /** Begins with a slash; or the asterisk of OPTIONS. */
  readonly path: string;
  /** All but those with a colon, as the client sent them and in its order. */
  readonly headers: readonly Header[];

  constructor(pseudo: Readonly<Record<string, string>>, headers: readonly Header[]) {
    this.method = pseudo[":method"] ?? "";
    this.scheme = pseudo[":scheme"] ?? "";
    this.authority = pseudo[":authority"] ?? "";
    this.path = pseudo[":path"] ?? "";
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

/** Reads the headers that a request begins with; undefined if they are malformed (RFC 9113, section 8.3). */
export function readRequestHead(headers: readonly Header[]): RequestHead | undefined {
  const pseudo: Record<string, string> = { ":method": "", ":scheme": "", ":authority": "", ":path": "" };
  let count = 0;
  for (const { name, value, isValid } of headers) {
    if (!isValid) return undefined;
    if (!name.startsWith(":")) break;
    // Each at most once, and none of the three that have to be there empty.
    if (pseudo[name] !== "" || value === "") return undefined;
    pseudo[name] = value;
    count++;
  }
  const rest = headers.slice(count);
  if (!rest.every(({ name, isValid }) => isValid && !name.startsWith(":"))) return undefined;
  const { ":method": method, ":scheme": scheme, ":path": path = "" } = pseudo;
  if (!method || !scheme || !(path.startsWith("/") || (path === "*" && method === "OPTIONS"))) return undefined;
  return new RequestHead(pseudo, rest);
}

/** Whether headers may follow a body (RFC 9113, section 8.1). */
export function areTrailers(headers: readonly Header[]): boolean {
  return headers.every(({ name, isValid }) => isValid && !name.startsWith(":"));
}
