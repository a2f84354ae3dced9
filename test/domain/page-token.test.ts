import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readPageToken, signPageToken } from "../../src/domain/page-token.ts";
import { keyRing, NOW, refusal, thrownBy } from "./world.ts";

const keys = keyRing(1);
const scope = ["acme/ada", "acme", "ada", { kinds: ["personal"] }];
const cursor = { subject: "ada", createTime: NOW, id: "abcABCDEFGHIJKLMNOP" };
const cursors = fc.record({
  subject: fc.string({ unit: "grapheme" }),
  createTime: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  id: fc.stringMatching(/^[0-9A-Za-z]{19}$/),
});
const scopes = fc.tuple(fc.string(), fc.string(), fc.option(fc.string()), fc.dictionary(fc.string(), fc.jsonValue()));

const invalid = refusal("PAGE_TOKEN_INVALID", "page_token: not made for this caller and these conditions");

describe("a page token", () => {
  test("leads back to its place, for the same caller and conditions", () => {
    fc.assert(
      fc.property(cursors, scopes, (cursor, scope) => {
        expect(readPageToken(keys, signPageToken(keys, cursor, scope), scope)).toEqual(cursor);
      }),
    );
  });

  test("is plain text that survives any header, URL or form", () => {
    expect(signPageToken(keys, cursor, scope)).toMatch(/^1\.[\w-]+\.[\w-]{43}$/);
  });

  test("is absent for the first page", () => {
    expect(readPageToken(keys, "", scope)).toBeUndefined();
  });

  test("still works while its key is retiring, and no longer when the key is gone", () => {
    const text = signPageToken(keys, cursor, scope);
    expect(readPageToken(keyRing(2, 1), text, scope)).toEqual(cursor);
    expect(thrownBy(() => readPageToken(keyRing(2), text, scope))).toMatchObject(invalid);
  });
});

describe("a page token is refused", () => {
  const text = signPageToken(keys, cursor, scope);
  const isRefused = (changed: string) =>
    expect(
      thrownBy(() => readPageToken(keys, changed, scope)),
      changed,
    ).toMatchObject(invalid);

  test("with any character changed", () => {
    const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.+/= \n";
    for (let at = 0; at < text.length; at++) {
      for (const character of alphabet) {
        if (character !== text[at]) isRefused(text.slice(0, at) + character + text.slice(at + 1));
      }
    }
  });

  test("with a character put in or left out", () => {
    for (let at = 0; at <= text.length; at++) {
      for (const character of "0Aa-_.= \n") isRefused(text.slice(0, at) + character + text.slice(at));
      if (at > 0) isRefused(text.slice(0, at - 1) + text.slice(at));
    }
  });

  test("with any other scope", () => {
    fc.assert(
      fc.property(cursors, scopes, scopes, (cursor, scope, other) => {
        fc.pre(JSON.stringify(scope) !== JSON.stringify(other));
        const text = signPageToken(keys, cursor, scope);
        expect(thrownBy(() => readPageToken(keys, text, other))).toMatchObject(invalid);
      }),
    );
  });

  test("with a signature of another key of the same version", () => {
    const [, body, signature] = signPageToken(keyRing(2), cursor, scope).split(".");
    isRefused(`1.${body}.${signature}`);
  });

  test.each(["x", ".", "..", "1..", "1.WyJhIl0.", `9.${text.slice(2)}`, "1.__proto__.x", "0".repeat(2048)])(
    "that is made up: %s",
    (made) => isRefused(made),
  );
});
