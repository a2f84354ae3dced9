import type { Caller } from "../domain/caller.ts";
import type { Clock } from "../domain/clock.ts";
import { statusOf, type Token } from "../domain/token.ts";
import type { Authenticate, AuthenticateCall } from "./authenticate.ts";
import { ChangesMeanwhile, type TokenChange } from "./changes-meanwhile.ts";
import { introspects } from "./permissions.ts";

export interface CallerCacheOptions {
  /** Where there is an `authorization` header, its answer must depend on that header alone. */
  readonly authenticate: Authenticate;
  /** Notes that a token was used to call. */
  readonly noteUse: (token: Token) => void;
  /** What proved the secrets: the same object as long as it would prove them again. */
  readonly basis: () => unknown;
  /** Tells when tokens end. */
  readonly clock: Clock;
  /** Milliseconds since some moment, which never go back: how old an entry is must not depend on a clock that is set. */
  readonly elapsed?: () => number;
}

/** Remembers who introspects with which Latchkey token. */
export interface CallerCache {
  readonly authenticate: AuthenticateCall;
  /** Must be told of every change of a token: of one that is made through this process, before whoever asked for it has the answer. */
  forget(change: TokenChange): void;
}

/**
 * How long a caller is remembered at most, in milliseconds since the store was asked for it. So long, and no longer, a token that was
 * taken back through another process can go on to introspect through this one if the news of it is lost.
 */
export const MAX_AGE = 1000;

/** How many callers are remembered at most. */
export const MAX_CALLERS = 10_000;

interface Entry {
  readonly header: string;
  readonly caller: Caller;
  readonly token: Token;
  /** When the store was asked: what changed before that has counted already. */
  readonly asked: number;
  readonly basis: unknown;
}

/**
 * Puts a memory before `authenticate`, for those who introspect with a Latchkey token: services do so with the same one thousands of
 * times a second, and each time it would cost a look into the store. For all other methods the store is asked: with a token that was
 * taken back a moment ago elsewhere nobody may make another one, which would stay.
 *
 * What is remembered is what counts until a change is told or the token ends. So a token that was taken back through this process is
 * refused from the answer on; one that was taken back through another as soon as the news is here, after `MAX_AGE` without any.
 * Refusals are not remembered, nor answers that may be older than a change (see `ChangesMeanwhile`).
 *
 * An entry goes by the whole `authorization` header, so no two secrets and no two schemes share one. To compare it takes no constant
 * time, which gives nothing away: a look-up compares texts only whose hashes, seeded for each process, are equal. The root
 * token is left out all the same: it is not for services that are in a hurry. There is one entry for each token, however it is sent:
 * nobody can fill the memory with one token.
 */
export function createCallerCache(options: CallerCacheOptions): CallerCache {
  const { authenticate, noteUse, basis, clock, elapsed = () => performance.now() } = options;
  /** By header, the oldest first. */
  const entries = new Map<string, Entry>();
  const headers = new Map<string, string>();
  const meanwhile = new ChangesMeanwhile();

  function recall(header: string): Caller | undefined {
    const entry = entries.get(header);
    if (entry === undefined) return undefined;
    if (isOld(entry) || entry.basis !== basis() || statusOf(entry.token, clock()) !== "ACTIVE") {
      drop(entry);
      return undefined;
    }
    noteUse(entry.token);
    return entry.caller;
  }

  async function ask(header: string, ...request: Parameters<Authenticate>): Promise<Caller> {
    const since = { asked: elapsed(), basis: basis() };
    const question = meanwhile.begin();
    try {
      const caller = await authenticate(...request);
      const { token } = caller;
      const isKept = token !== undefined && isSettled(token, clock()) && !meanwhile.includes(token.id, question);
      if (isKept) keep({ header, caller, token, ...since });
      return caller;
    } finally {
      meanwhile.end();
    }
  }

  function keep(entry: Entry): void {
    forgetToken(entry.token.id);
    forgetHeader(entry.header);
    for (const oldest of entries.values()) {
      if (entries.size < MAX_CALLERS && !isOld(oldest)) break;
      drop(oldest);
    }
    entries.set(entry.header, entry);
    headers.set(entry.token.id, entry.header);
  }

  function isOld({ asked }: Entry): boolean {
    return elapsed() - asked >= MAX_AGE;
  }

  function forgetToken(id: string): void {
    const header = headers.get(id);
    if (header !== undefined) forgetHeader(header);
  }

  function forgetHeader(header: string): void {
    const entry = entries.get(header);
    if (entry) drop(entry);
  }

  function drop({ header, token }: Entry): void {
    entries.delete(header);
    headers.delete(token.id);
  }

  return {
    authenticate(metadata, peer, method) {
      if (!introspects(method)) return authenticate(metadata, peer);
      const [header, ...others] = metadata.values("authorization");
      if (header === undefined || others.length > 0) return authenticate(metadata, peer);
      return recall(header) ?? ask(header, metadata, peer);
    },

    forget(change) {
      meanwhile.note(change);
      if (change.type !== "reset") return forgetToken(change.id);
      entries.clear();
      headers.clear();
    },
  };
}

/**
 * Whether the token is good as it is until it is changed or expires. One that is being rotated has secrets that end one after the
 * other; one that must not go unused has uses that must be written before they count. With limited uses none can call.
 */
function isSettled({ digests, idleTimeout }: Token, now: number): boolean {
  const live = digests.filter(({ until }) => until === undefined || until > now);
  const isOnly = live.length === 1 && live[0]?.until === undefined && live[0]?.pendingGrace === undefined;
  return isOnly && idleTimeout === undefined;
}
