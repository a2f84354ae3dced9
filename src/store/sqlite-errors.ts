import { TokenError } from "../errors.ts";

/** When to try again, in milliseconds. */
const RETRY_DELAY = 1000;

/** Runs something on the database; what it throws leaves as a TokenError. */
export function translateErrors<T>(run: () => T, path?: string): T {
  try {
    return run();
  } catch (error) {
    throw translate(error, path);
  }
}

/** What the database threw, as a TokenError. */
export function translate(error: unknown, path?: string): TokenError {
  if (error instanceof TokenError) return error;
  const cause = path === undefined ? error : new Error(`${path}: ${(error as Error).message}`, { cause: error });
  return new TokenError("STORE_UNAVAILABLE", "the SQLite store failed", { cause, retryDelay: RETRY_DELAY });
}
