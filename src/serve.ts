import type { Logger } from "pino";
import { createAuthenticator } from "./auth/authenticate.ts";
import { createCallerCache } from "./auth/caller-cache.ts";
import { createCertificateMapping } from "./auth/certificates.ts";
import { createIssuer } from "./auth/issuers.ts";
import { withTenantHeader } from "./auth/tenant-header.ts";
import { createCall } from "./call/pipeline.ts";
import type { Config } from "./config.ts";
import type { Context } from "./domain/context.ts";
import { type KeyRing, publicKeysOf } from "./domain/keys.ts";
import { createLastUse } from "./domain/last-use.ts";
import { findBySecret } from "./domain/lookup.ts";
import { useToken } from "./domain/use.ts";
import { createTokenService } from "./service/token-service.ts";
import type { TokenStore } from "./store/token-store.ts";
import { startServer } from "./wire/server.ts";

/** What a process serves. */
export interface Possessions {
  readonly store: TokenStore;
  /** The keys that count now, read anew in every call. */
  readonly keys: { readonly ring: KeyRing };
  /** SHA-256 of the root token. */
  readonly rootDigest: Uint8Array;
}

export interface Serving {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Stops taking calls, lets those under way finish, and writes down what it still has to. Leaves the store open. */
  close(): Promise<void>;
}

/** Wires the layers together, and serves in this process. Rejects if the port can't be bound. */
export async function serve(config: Config, { store, keys, rootDigest }: Possessions, log: Logger): Promise<Serving> {
  await using opened = new AsyncDisposableStack();
  const { clock } = store;
  const lastUse = createLastUse(store, clock);
  opened.defer(() => lastUse.close());
  const context: Context = {
    store,
    kinds: config.kinds,
    get keys() {
      return keys.ring;
    },
    clock,
    lastUse,
    report: ({ type, ...event }) => log.warn(event, type.replaceAll("-", " ")),
  };
  const lasting: Context = Object.create(context, { store: { value: store.settled } });
  const { issuers = [], certificates = [], tenantHeader } = config.issuers ?? {};
  const authenticate = createAuthenticator({
    rootDigest,
    verifySecret: (secret) => findBySecret(context, secret),
    noteUse: (token, digest) => useToken(context, token, digest),
    issuers: issuers.map(createIssuer),
    certificates: createCertificateMapping(certificates),
    kinds: config.kinds,
    clock,
  });
  const callers = createCallerCache({
    authenticate,
    noteUse: (token) => lastUse.note(token),
    basis: () => keys.ring,
    clock,
  });
  opened.defer(store.subscribe(callers.forget));
  const server = await startServer({
    listen: config.listen,
    ...(config.tls && { tls: config.tls }),
    corsOrigins: config.corsOrigins,
    corsHeaders: tenantHeader === undefined ? [] : [tenantHeader],
    call: createCall({
      authenticate: withTenantHeader(callers.authenticate, tenantHeader),
      handlers: createTokenService(context, lasting),
      log,
    }),
    isReady: () => isAnswering(store),
    publicKeys: () => publicKeysOf(keys.ring),
    drainDelay: config.drainDelay,
    log,
  });
  opened.defer(() => server.close());
  const running = opened.move();
  return { url: server.url, close: () => running.disposeAsync() };
}

async function isAnswering(store: TokenStore): Promise<boolean> {
  return store.ping().then(
    () => true,
    () => false,
  );
}
