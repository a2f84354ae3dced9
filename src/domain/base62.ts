import { randomInt } from "node:crypto";

/** In the order of ASCII, so that texts of one length sort like their numbers. */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** `length` characters from the system's random source, each of the 62 equally likely (5.95 bits a character). */
export function randomBase62(length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += ALPHABET[randomInt(62)];
  return text;
}

/** A number from 0 to 62^length - 1 in exactly `length` characters. */
export function encodeBase62(value: number, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest = Math.floor(rest / 62)) text = ALPHABET[rest % 62] + text;
  return text;
}
