import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from "jose";
import { TokenError } from "../errors.ts";

/** Where the keys of an issuer come from. */
export type KeySource = { readonly keys: JSONWebKeySet } | RemoteKeys;

/** Keys behind a URL. Durations are milliseconds. */
export interface RemoteKeys {
  readonly url: URL;
  /** How long one fetch may take. */
  readonly timeout: number;
  /** How long after a fetch an unknown key id does not lead to another one. */
  readonly cooldown: number;
  /** How long fetched keys are believed. */
  readonly maxAge: number;
}

/** How long after a failed fetch none is tried, in milliseconds: an issuer that is down shall not get a fetch per call. */
const PAUSE = 1000;

/**
 * How `jwtVerify` finds the key that a JWT names by its id and algorithm. Keys inside the JWT, or behind addresses in
 * it, never count. If no key or more than one fits, it throws one of jose's errors.
 *
 * @throws ISSUER_UNAVAILABLE if the keys can't be fetched.
 */
export function createKeyFinder(source: KeySource): JWTVerifyGetKey {
  return "keys" in source ? createLocalJWKSet(source.keys) : createRemoteKeyFinder(source);
}

function createRemoteKeyFinder({ url, timeout, cooldown, maxAge }: RemoteKeys): JWTVerifyGetKey {
  let retryTime = 0;
  const find = createRemoteJWKSet(url, {
    timeoutDuration: timeout,
    cooldownDuration: cooldown,
    cacheMaxAge: maxAge,
    [customFetch]: async (address, options) => {
      if (performance.now() < retryTime) throw new Error("the fetch before this one has just failed");
      return fetch(address, options);
    },
  });
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (error) {
      if (isAboutToken(error)) throw error;
      if (performance.now() >= retryTime) retryTime = performance.now() + PAUSE;
      throw unavailable(error);
    }
  };
}

function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function unavailable(cause: unknown): TokenError {
  const message = "the keys of the JWT's issuer can't be fetched";
  return new TokenError("ISSUER_UNAVAILABLE", message, { retryDelay: PAUSE, cause });
}
