import type { Logger } from "pino";
import { createLiveKeys, requireSameKeys } from "./config/live-keys.ts";
import { openRootToken, type RootToken } from "./config/root-token.ts";
import { reportStore, requireSoundStore } from "./config/store-health.ts";
import type { Config } from "./config.ts";
import { type Clock, systemClock } from "./domain/clock.ts";
import { keepRootToken, openKeys } from "./first-start.ts";
import { serve } from "./serve.ts";
import { openStore } from "./store/open-store.ts";

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
 * Starts a service in this process. Where a step fails, those before it are undone.
 *
 * @throws ConfigError, or TokenError if the store can't be used
 */
export async function startApp(
  config: Config,
  log: Logger,
  { clock, openStore }: Surroundings = machine,
): Promise<App> {
  await using opened = new AsyncDisposableStack();
  const { keys: first, isNew } = openKeys(config, log);
  const rootToken = openRootToken(config.rootToken, config.dataFolder);
  const store = await openStore(config.store.location, { ...config.store, clock, listener: reportStore(log) });
  opened.defer(() => store.close());
  await requireSoundStore(store, config.strict, log);
  await requireSameKeys(store, config.keysPath, first, isNew);

  const keys = createLiveKeys(store, config.keysPath, first, log);
  const serving = await serve(config, { store, keys, rootDigest: rootToken.digest }, log);
  opened.defer(() => serving.close());
  keepRootToken(rootToken, config, log);

  const running = opened.move();
  return { url: serving.url, rootToken, reload: keys.reload, close: () => running.disposeAsync() };
}
