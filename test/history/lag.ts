import { MAX_AGE } from "../../src/auth/caller-cache.ts";
import type { Operation } from "./history.ts";

/**
 * Whether who introspects may still have been let in though its token was taken back before: that was done through another instance, so it
 * need not be known here before `MAX_AGE` is over. Whatever does not hang on who calls counts from its answer on, everywhere; and so does
 * everything through the instance that did it.
 *
 * @param end what took the token back, in the end.
 * @param causes what else may have done it, just before: then `end` found nothing left to do.
 */
export function mayLag(use: Operation, end: Operation, causes: readonly Operation[] = []): boolean {
  if (use.type !== "Ask") return false;
  return [end, ...causes].some((cause) => {
    const isElsewhere = cause.instance !== use.instance && cause.began < end.ended;
    // What was never good is not remembered.
    const tookBack = cause.type !== "Create";
    return isElsewhere && tookBack && use.began <= Math.min(cause.ended, end.ended) + MAX_AGE;
  });
}
