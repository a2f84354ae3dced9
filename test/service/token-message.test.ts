import { create } from "@bufbuild/protobuf";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { TokenSchema, TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import { toTokenMessage } from "../../src/service/token-message.ts";
import { DAY, HOUR, NOW, tokenOf } from "../domain/world.ts";

const show = (changes: Parameters<typeof tokenOf>[0], now = NOW) =>
  create(TokenSchema, toTokenMessage(tokenOf(changes), now));

test("a token is shown with all its public fields", () => {
  const token = {
    label: "laptop",
    scopes: ["a"],
    audiences: ["b"],
    claims: { plan: "gold" },
    clientId: "cli",
    parentId: "p",
    usesLeft: 3,
    revision: 7,
    version: 9,
  };
  const { version, revision, ...shown } = token;
  expect(show(token)).toMatchObject({
    ...shown,
    id: "abcABCDEFGHIJKLMNOP",
    tenant: "acme",
    subject: "ada",
    kind: "personal",
    hint: "lk_pat_abcABCDE",
    creator: "acme/ada",
    active: true,
    status: TokenStatus.ACTIVE,
    etag: String(revision),
  });
});

test("a token is shown with every field of the message, and without what only the store needs", () => {
  const shown = Object.getOwnPropertyNames(Object.getPrototypeOf(toTokenMessage(tokenOf(), NOW)));
  const fields = TokenSchema.fields.map((field) => field.localName);
  expect(shown.filter((name) => name !== "constructor").toSorted()).toEqual(fields.toSorted());
  expect(Object.keys(toTokenMessage(tokenOf(), NOW))).toEqual([]);
});

test("a life and what is left of it go by the server's clock, and nothing is never less than zero", () => {
  const at = (now: number) => {
    const { createTime, expireTime, life, remainingLife } = show({ expireTime: NOW + DAY }, now);
    if (!createTime || !expireTime || !life || !remainingLife) throw new Error("a time is missing");
    expect([timestampMs(createTime), timestampMs(expireTime), durationMs(life)]).toEqual([NOW, NOW + DAY, DAY]);
    return durationMs(remainingLife);
  };
  expect(at(NOW)).toBe(DAY);
  expect(at(NOW + HOUR)).toBe(DAY - HOUR);
  expect(at(NOW + DAY)).toBe(0);
  expect(at(NOW + 2 * DAY)).toBe(0);
});

test("a token that must not go unused shows when it would expire for that", () => {
  const idleEnd = (changes: Parameters<typeof tokenOf>[0]) => {
    const { idleExpireTime } = show({ idleTimeout: HOUR, ...changes });
    return idleExpireTime && timestampMs(idleExpireTime);
  };
  expect(idleEnd({})).toBe(NOW + HOUR);
  expect(idleEnd({ lastUsedTime: NOW + 5 })).toBe(NOW + 5 + HOUR);
  expect(idleEnd({ expireTime: undefined })).toBe(NOW + HOUR);
  expect(idleEnd({ expireTime: NOW + 1 })).toBe(NOW + HOUR);
  expect(idleEnd({ idleTimeout: undefined })).toBeUndefined();
});

test("a permanent token that was never used and has no bounds says so by leaving the fields out", () => {
  const shown = show({ expireTime: undefined, purgeTime: undefined });
  expect(shown.expireTime ?? shown.life ?? shown.remainingLife ?? shown.lastUsedTime).toBeUndefined();
  expect(shown.usesLeft ?? shown.claims).toBeUndefined();
});

test.each([
  ["ACTIVE", {}],
  ["INACTIVE", { active: false }],
  ["EXPIRED", { expireTime: NOW }],
  ["EXHAUSTED", { usesLeft: 0 }],
  ["EXPIRED", { createTime: NOW - HOUR, idleTimeout: HOUR }],
] as const)("a token is shown as %s", (status, changes) => {
  expect(show(changes).status).toBe(TokenStatus[status]);
});

test("a token without uses left shows the zero, which is not the same as no limit", () => {
  expect(show({ usesLeft: 0 }).usesLeft).toBe(0);
});
