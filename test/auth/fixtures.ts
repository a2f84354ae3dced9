import { expect } from "vitest";
import type { Authenticate } from "../../src/auth/authenticate.ts";
import type { Metadata, Peer } from "../../src/auth/request.ts";
import type { Token } from "../../src/domain/token.ts";
import type { Reason } from "../../src/errors.ts";
import { TokenError } from "../../src/errors.ts";
import { tokenOf as anyToken } from "../domain/world.ts";

/** The moment at which all tests of this folder play. */
export const NOW = Date.UTC(2030, 0, 1);

export const peer: Peer = { protocol: "grpc", address: "127.0.0.1" };

export function metadataOf(headers: Record<string, string | readonly string[]>): Metadata {
  return { values: (name) => [headers[name] ?? []].flat() };
}

export function bearer(token: string): Metadata {
  return metadataOf({ authorization: `Bearer ${token}` });
}

export function tokenOf(changes: Partial<Token> = {}): Token {
  return anyToken({
    id: "0000000000000000abc",
    subject: "alice",
    scopes: ["latchkey:self", "photos:read"],
    createTime: NOW - 1000,
    expireTime: NOW + 1,
    purgeTime: NOW + 1000,
    ...changes,
  });
}

/** Waits for the failure of a call; it must be a TokenError. */
export async function failureOf(call: Promise<unknown>): Promise<TokenError> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(TokenError);
  return failure as TokenError;
}

/** What the outside learns of a failure. */
export function answerOf({ code, reason, message, violations, retryDelay }: TokenError) {
  return { code, reason, message, violations, retryDelay };
}

/** The only answer to credentials that are not good. */
export const INVALID = {
  code: "UNAUTHENTICATED",
  reason: "CREDENTIALS_INVALID" satisfies Reason,
  message: "the credentials are not valid",
  violations: [],
  retryDelay: undefined,
};

export async function expectInvalid(authenticate: Authenticate, metadata: Metadata, from: Peer = peer): Promise<void> {
  expect(answerOf(await failureOf(authenticate(metadata, from)))).toEqual(INVALID);
}
