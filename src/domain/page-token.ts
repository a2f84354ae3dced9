import { createHmac, timingSafeEqual } from "node:crypto";
import { fieldError } from "../errors.ts";
import type { PageCursor } from "../store/token-store.ts";
import type { DerivedKey, KeyRing } from "./keys.ts";

// `<key version>.<cursor>.<signature>`: the signature covers the cursor and all that the page depends on.
const FORM = /^([1-9][0-9]{0,9})\.([\w-]+)\.([\w-]{43})$/;

/** Makes the text with which a caller goes on after `cursor`. `scope` is all that it must not change meanwhile. */
export function signPageToken(keys: KeyRing, cursor: PageCursor, scope: unknown): string {
  const body = Buffer.from(JSON.stringify([cursor.subject, cursor.createTime, cursor.id])).toString("base64url");
  return `${keys.current.version}.${body}.${sign(keys.current, body, scope)}`;
}

/**
 * Reads what `signPageToken` made; undefined for the empty text, which means the first page.
 *
 * @throws PAGE_TOKEN_INVALID if the text was changed, or made with another key or for another scope.
 */
export function readPageToken(keys: KeyRing, text: string, scope: unknown): PageCursor | undefined {
  if (text === "") return undefined;
  const [, version, body = "", signature = ""] = FORM.exec(text) ?? [];
  const key = keys.byVersion.get(Number(version));
  if (!key || !timingSafeEqual(Buffer.from(signature), Buffer.from(sign(key, body, scope)))) {
    throw fieldError("PAGE_TOKEN_INVALID", "page_token", "not made for this caller and these conditions");
  }
  const [subject, createTime, id] = JSON.parse(Buffer.from(body, "base64url").toString());
  return { subject, createTime, id };
}

function sign(key: DerivedKey, body: string, scope: unknown): string {
  return createHmac("sha256", key.pageToken)
    .update(JSON.stringify([body, scope]))
    .digest("base64url");
}
