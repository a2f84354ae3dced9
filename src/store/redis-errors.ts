import type { RedisOptions } from "ioredis";
import { TokenError } from "../errors.ts";

/** When a caller may try again, in milliseconds. */
const RETRY_DELAY = 500;

/** The error for what Redis does not let us do. */
export function unavailable(cause: Error, message = "the Redis store failed"): TokenError {
  return new TokenError("STORE_UNAVAILABLE", message, { cause, retryDelay: RETRY_DELAY });
}

/** Whether an error is what Redis answered, and not a failure to reach it. */
export function isAnswer(error: unknown): boolean {
  const source = error instanceof TokenError ? error.cause : error;
  return source instanceof Error && source.name === "ReplyError";
}

/** The error with where it happened, without what ioredis adds: the command's arguments, a password or a record among them. */
export function describeError(error: unknown, { host, port, sentinels, name }: RedisOptions): Error {
  const servers = sentinels?.map((sentinel) => `${sentinel.host}:${sentinel.port}`).join();
  const place = servers ? `Redis master ${name} of the sentinels at ${servers}` : `Redis at ${host}:${port}`;
  if (!(error instanceof Error)) return new Error(`${place}: unknown failure`);
  const code = "code" in error ? String(error.code) : error.name;
  const described = new Error(`${place}: ${error.message.split(", with args")[0] || code}`);
  described.name = error.name;
  return described;
}
