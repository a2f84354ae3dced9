import type { Logger } from "pino";
import type { App } from "../app.ts";
import { createLiveKeys, requireSameKeys } from "../config/live-keys.ts";
import { openRootToken } from "../config/root-token.ts";
import { requireSoundStore } from "../config/store-health.ts";
import type { Config } from "../config.ts";
import { systemClock } from "../domain/clock.ts";
import { keepRootToken, openKeys } from "../first-start.ts";
import { openStore } from "../store/open-store.ts";
import type { TokenStore } from "../store/token-store.ts";
import { WorkerPool } from "./worker-pool.ts";

/**
 * Starts a service in `config.workers` processes. What must be done once is done here, in the primary: reading and making what lies in
 * files, and checking that the store serves and the keys are its own. Where a step fails, those before it are undone.
 *
 * @throws ConfigError, TokenError if the store can't be used, or WorkerFailure
 */
export async function startWorkers(config: Config, log: Logger): Promise<App> {
  await using opened = new AsyncDisposableStack();
  const { keys: first, content, isNew } = openKeys(config, log);
  const rootToken = openRootToken(config.rootToken, config.dataFolder);
  await withStore(config, (store) => requireSoundStore(store, config.strict, log));
  const store: Pick<TokenStore, "adoptKeys"> = {
    adoptKeys: (fingerprints) => withStore(config, (opened) => opened.adoptKeys(fingerprints)),
  };
  await requireSameKeys(store, config.keysPath, first, isNew);

  const pool = new WorkerPool({ config, keys: content, rootDigest: rootToken.digest }, log);
  opened.defer(() => pool.close());
  const url = await pool.start();
  keepRootToken(rootToken, config, log);
  const keys = createLiveKeys(store, config.keysPath, first, log, (next) => pool.useKeys(next));

  const running = opened.move();
  return { url, rootToken, reload: keys.reload, close: () => running.disposeAsync() };
}

/** Opens the store for this alone: calls are for the workers. */
async function withStore<T>({ store }: Config, use: (store: TokenStore) => Promise<T>): Promise<T> {
  const opened = await openStore(store.location, { ...store, clock: systemClock });
  try {
    return await use(opened);
  } finally {
    await opened.close();
  }
}
