import type { RedisOptions } from "ioredis";
import { TokenError } from "../errors.ts";

/** When a caller may try again, in milliseconds. */
const RETRY_DELAY = 500;

/** How many times it was tried already, which makes no other reason of it. */
const RETRIES = / Retrying from scratch after \d+ms\. ?/;

/** The error for what Redis does not let us do. */
export function unavailable(cause: Error, message = "the Redis store failed"): TokenError {
  return new TokenError("STORE_UNAVAILABLE", message, { cause, retryDelay: RETRY_DELAY });
}

/** What lies behind an error of the store. */
export function causeOf(error: unknown): Error {
  const source = error instanceof TokenError ? error.cause : error;
  return source instanceof Error ? source : new Error("unknown failure");
}

/** Whether an error is what Redis answered, and not a failure to reach it. */
export function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** The error with where it happened, without what ioredis adds: the command's arguments, a password or a record among them. */
export function describeError(error: unknown, { host, port, sentinels, name }: RedisOptions): Error {
  const servers = sentinels?.map((sentinel) => `${sentinel.host}:${sentinel.port}`).join();
  const place = servers ? `Redis master ${name} of the sentinels at ${servers}` : `Redis at ${host}:${port}`;
  const cause = causeOf(error);
  const code = "code" in cause ? String(cause.code) : cause.name;
  const [message = ""] = cause.message.split(", with args");
  const described = new Error(`${place}: ${message.replace(RETRIES, " ") || code}`);
  described.name = cause.name;
  return described;
}
