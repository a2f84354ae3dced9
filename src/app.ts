import type { Logger } from "pino";
import { createAuthenticator } from "./auth/authenticate.ts";
import { createCallerCache } from "./auth/caller-cache.ts";
import { createCertificateMapping } from "./auth/certificates.ts";
import { createIssuer } from "./auth/issuers.ts";
import { withTenantHeader } from "./auth/tenant-header.ts";
import { createCall } from "./call/pipeline.ts";
import { openKeysFile } from "./config/keys-file.ts";
import { createLiveKeys, requireSameKeys } from "./config/live-keys.ts";
import { openRootToken, type RootToken } from "./config/root-token.ts";
import type { Config } from "./config.ts";
import { type Clock, systemClock } from "./domain/clock.ts";
import type { Context } from "./domain/context.ts";
import { type KeyRing, publicKeysOf } from "./domain/keys.ts";
import { createLastUse } from "./domain/last-use.ts";
import { findBySecret } from "./domain/lookup.ts";
import { useToken } from "./domain/use.ts";
import { createTokenService } from "./service/token-service.ts";
import { openStore } from "./store/open-store.ts";
import type { TokenStore } from "./store/token-store.ts";
import { startServer } from "./wire/server.ts";

/** A Latchkey that serves. */
export interface App {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly rootToken: RootToken;
  /** Reads the keys file again, as `LiveKeys` says. Never rejects. */
  reload(): Promise<void>;
  /** Stops taking calls, lets those under way finish, and frees everything. */
  close(): Promise<void>;
}

/** What a service takes from the machine that it runs on. */
export interface Surroundings {
  readonly clock: Clock;
  readonly openStore: typeof openStore;
}

const machine: Surroundings = { clock: systemClock, openStore };

/**
 * Wires a service together and starts it. Where a step fails, those before it are undone.
 *
 * @throws ConfigError, or TokenError if the store can't be used
 */
export async function startApp(
  config: Config,
  log: Logger,
  { clock: machineClock, openStore }: Surroundings = machine,
): Promise<App> {
  await using opened = new AsyncDisposableStack();
  const { keys: first, isNew } = openKeys(config, log);
  const rootToken = openRootToken(config.rootToken, config.dataFolder);
  const store = await openStore(config.store.location, { clock: machineClock, tls: config.store.tls });
  opened.defer(() => store.close());
  const { clock } = store;
  await requireSameKeys(store, config.keysPath, first, isNew);

  const keys = createLiveKeys(store, config.keysPath, first, log);
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
  const { issuers = [], certificates = [], tenantHeader } = config.issuers ?? {};
  const authenticate = createAuthenticator({
    rootDigest: rootToken.digest,
    verifySecret: (secret) => findBySecret(context, secret),
    noteUse: (token, digest) => useToken(context, token, digest),
    issuers: issuers.map(createIssuer),
    certificates: createCertificateMapping(certificates),
    kinds: config.kinds,
    clock,
  });
  const callers = createCallerCache({ authenticate, noteUse: (token) => lastUse.note(token), clock });
  opened.defer(store.subscribe(callers.forget));
  const server = await startServer({
    listen: config.listen,
    ...(config.tls && { tls: config.tls }),
    corsOrigins: config.corsOrigins,
    corsHeaders: tenantHeader === undefined ? [] : [tenantHeader],
    call: createCall({
      authenticate: withTenantHeader(callers.authenticate, tenantHeader),
      handlers: createTokenService(context),
      log,
    }),
    isReady: () => isAnswering(store),
    publicKeys: () => publicKeysOf(keys.ring),
    drainDelay: config.drainDelay,
    log,
  });
  opened.defer(() => server.close());
  keepRootToken(rootToken, config, log);

  const reload = async () => {
    await keys.reload();
    // A key may be gone, and with it what it proved.
    callers.forget({ type: "reset" });
  };
  const running = opened.move();
  return { url: server.url, rootToken, reload, close: () => running.disposeAsync() };
}

function keepRootToken(rootToken: RootToken, config: Config, log: Logger): void {
  rootToken.keep();
  if (rootToken.created && config.store.shared) {
    log.warn(
      { path: rootToken.path },
      "made a root token for this instance alone; set LATCHKEY_ROOT_TOKEN for all of them",
    );
  }
}

function openKeys(config: Config, log: Logger): { keys: KeyRing; isNew: boolean } {
  const opened = openKeysFile(config.keysPath, config.strict);
  if (opened.isNew && config.store.shared) {
    log.warn(
      { path: config.keysPath },
      "made new service keys; every instance on this store needs a copy of this file",
    );
  }
  return opened;
}

async function isAnswering(store: TokenStore): Promise<boolean> {
  return store.ping().then(
    () => true,
    () => false,
  );
}
