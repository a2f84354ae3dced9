import type { Expectation } from "./job.ts";
import type { KeyTable } from "./keys.ts";

/** What is wrong with the answer's message to the call of this pick; undefined if nothing is. */
export type CheckAnswer = (message: Buffer, pick: number) => string | undefined;

export function createCheck(expect: Expectation, keys: KeyTable, keysPerCall: number): CheckAnswer {
  switch (expect.type) {
    case "verdict":
      return (message, pick) => checkVerdict(message, keys, pick);
    case "verdicts":
      return (message, pick) => {
        const verdicts = firstField(message);
        if (verdicts.length !== keysPerCall) return `${verdicts.length} verdicts instead of ${keysPerCall}`;
        for (const [offset, verdict] of verdicts.entries()) {
          const fault = checkVerdict(verdict, keys, pick + offset);
          if (fault) return fault;
        }
        return undefined;
      };
    case "json":
      return (message, pick) => {
        const found: unknown = JSON.parse(message.toString())[expect.field];
        return typeof found === "boolean" ? compare(found, message, keys, pick) : `${expect.field} is ${String(found)}`;
      };
    case "items":
      return (message) => {
        const { length } = firstField(message);
        return length === expect.count ? undefined : `${length} items instead of ${expect.count}`;
      };
  }
}

/** `active` is field 1 of an IntrospectResponse, and comes first if it is true. */
function checkVerdict(message: Buffer, keys: KeyTable, pick: number): string | undefined {
  return compare(message[0] === 0x08 && message[1] === 0x01, message, keys, pick);
}

function compare(isActive: boolean, message: Buffer, keys: KeyTable, pick: number): string | undefined {
  const isGood = keys.isGood(pick);
  if (isActive !== isGood) return `a ${isGood ? "good" : "bad"} token is said to be ${isActive ? "" : "in"}active`;
  if (isGood && !message.includes(keys.proof(pick))) return "the answer is about another token";
  return undefined;
}

/** The messages in field 1 of a message, up to another field. */
function firstField(message: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  while (message[at] === 0x0a) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[++at] as number;
      length += (byte & 127) << shift;
      if (byte < 128) break;
    }
    found.push(message.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return found;
}
