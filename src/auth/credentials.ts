import type { Kinds } from "../domain/kinds.ts";
import { refusal } from "./refusal.ts";
import type { Metadata } from "./request.ts";

/** What a caller presents in the `authorization` header. */
export interface Credentials {
  /** The root token, a JWT or the secret of a Latchkey token: visible ASCII, at most 8 KiB. */
  readonly token: string;
  /** The scheme takes only Latchkey tokens of this kind. Undefined: any token. */
  readonly kind: string | undefined;
}

/** The names of the kinds that schemes of the `authorization` header stand for, by the scheme in lower case. */
export type Schemes = ReadonlyMap<string, string>;

/** Longest `authorization` header, in characters. Checked before anything is parsed. */
const MAX_LENGTH = 8192;

/** A scheme (RFC 9110, section 11.1) and one word. No comma: a proxy may have joined two headers with it. */
const HEADER = /^([!#$%&'*+.^_`|~\w-]+) +([!-+\--~]+)$/;
const PRINTABLE = /^\P{Cc}+$/u;
const VISIBLE_ASCII = /^[!-~]+$/;

/** The schemes that kinds declare. */
export function collectSchemes(kinds: Kinds): Schemes {
  const claims = [...kinds.values()].flatMap(({ name, scheme }) =>
    scheme ? [[scheme.toLowerCase(), name] as const] : [],
  );
  return new Map(claims);
}

/**
 * Reads the `authorization` header: `Bearer <token>`, `Token <token>`, `Basic base64(<any user>:<token>)`, or the scheme
 * of a kind. Undefined if there is none.
 *
 * @throws CREDENTIALS_INVALID for anything else, and for more than one header.
 */
export function readCredentials(metadata: Metadata, schemes: Schemes): Credentials | undefined {
  const values = metadata.values("authorization");
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length > 1) throw refusal("more than one authorization header");
  if (value.length > MAX_LENGTH) throw refusal("the authorization header is too long");
  const [, scheme, token] = HEADER.exec(value) ?? [];
  if (scheme === undefined || token === undefined) throw refusal("the authorization header is not well-formed");
  return readScheme(scheme.toLowerCase(), token, schemes);
}

function readScheme(scheme: string, token: string, schemes: Schemes): Credentials {
  if (scheme === "bearer" || scheme === "token") return { token, kind: undefined };
  if (scheme === "basic") return { token: readPassword(token), kind: undefined };
  const kind = schemes.get(scheme);
  if (kind === undefined) throw refusal("the authorization scheme is unknown");
  return { token, kind };
}

/** The password of RFC 7617: all that follows the first colon. */
function readPassword(encoded: string): string {
  const bytes = Buffer.from(encoded, "base64");
  // Node skips what is not base64, so that only this comparison finds it.
  if (bytes.toString("base64") !== encoded) throw refusal("Basic is not base64");
  const text = bytes.toString();
  const colon = text.indexOf(":");
  const password = text.slice(colon + 1);
  if (colon < 0 || !PRINTABLE.test(text) || !VISIBLE_ASCII.test(password)) throw refusal("Basic is not well-formed");
  return password;
}
