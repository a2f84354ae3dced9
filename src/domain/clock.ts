/** Milliseconds since 1970. Injected wherever time decides, so that tests can set it. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();
