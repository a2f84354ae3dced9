import type { Logger } from "pino";
import { type OpenedKeys, openKeysFile } from "./config/keys-file.ts";
import type { RootToken } from "./config/root-token.ts";
import type { Config } from "./config.ts";

/** Reads the keys file, which the first start makes. */
export function openKeys(config: Config, log: Logger): OpenedKeys {
  const opened = openKeysFile(config.keysPath, config.strict);
  if (opened.isNew && config.store.shared) {
    log.warn(
      { path: config.keysPath },
      "made new service keys; every instance on this store needs a copy of this file",
    );
  }
  return opened;
}

/** Keeps the root token that the first start has made. To be called when nothing else can fail. */
export function keepRootToken(rootToken: RootToken, config: Config, log: Logger): void {
  rootToken.keep();
  if (rootToken.created && config.store.shared) {
    log.warn(
      { path: rootToken.path },
      "made a root token for this instance alone; set LATCHKEY_ROOT_TOKEN for all of them",
    );
  }
}
