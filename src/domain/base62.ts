import { hkdfSync, type KeyObject, randomInt } from "node:crypto";

/** In the order of ASCII, so that texts of one length sort like their numbers. */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** For each character of ASCII, whether it is one of these. */
const IS_DIGIT = Array.from({ length: 128 }, (_, code) => ALPHABET.includes(String.fromCharCode(code)));

/**
 * Called by this name, V8 inlines it. As a method it does so only as long as no class extends String, and ioredis has one: then a look
 * at a character takes six times as long.
 */
const { charCodeAt } = String.prototype;

/** Where the characters of ids and secrets come from: `length` of them, each of the 62 equally likely (5.95 bits a character). */
export type RandomText = (length: number) => string;

/** From the system's random source. */
export const randomBase62: RandomText = (length) => {
  let text = "";
  for (let i = 0; i < length; i++) text += ALPHABET[randomInt(62)];
  return text;
};

/** Bytes from here on would make some characters likelier than others. */
const UNBIASED = 62 * 4;

/**
 * From a key, a salt and a purpose (HKDF, RFC 5869): the same for the same three, and random to whoever lacks the key.
 * Good for about a hundred characters.
 */
export function derivedBase62(key: KeyObject, salt: Uint8Array, purpose: string): RandomText {
  const characters = [...new Uint8Array(hkdfSync("sha256", key, salt, purpose, 256))]
    .filter((byte) => byte < UNBIASED)
    .map((byte) => ALPHABET[byte % 62]);
  return (length) => {
    if (length > characters.length) throw new Error("the derived text is used up");
    return characters.splice(0, length).join("");
  };
}

/** Whether the text has no other characters from `start` on. */
export function isBase62(text: string, start: number): boolean {
  for (let index = start; index < text.length; index++) {
    if (!IS_DIGIT[charCodeAt.call(text, index)]) return false;
  }
  return true;
}

/** A number from 0 to 62^length - 1 in exactly `length` characters. */
export function encodeBase62(value: number, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest = Math.floor(rest / 62)) text = ALPHABET[rest % 62] + text;
  return text;
}
