import type { Logger } from "pino";
import { type DerivedKey, fingerprintsOf, type KeyRing } from "../domain/keys.ts";
import { TokenError } from "../errors.ts";
import type { TokenStore } from "../store/token-store.ts";
import { ConfigError } from "./config-error.ts";
import { type KeysContent, readKeysContent, removeKeysFile, toKeyRing } from "./keys-file.ts";

/** The keys in use, which change when the operator has the keys file read again. */
export interface LiveKeys {
  /** Those that count now. */
  readonly ring: KeyRing;
  /** Reads the file again. If anything is wrong with it, or it can't be told, the keys stay as they are and the log says why. */
  reload(): Promise<void>;
}

type Store = Pick<TokenStore, "adoptKeys">;

/**
 * @param first what the file at `path` held at the start.
 * @param share tells other processes of the keys that count from now on.
 */
export function createLiveKeys(
  store: Store,
  path: string,
  first: KeyRing,
  log: Logger,
  share: (content: KeysContent) => Promise<void> = async () => {},
): LiveKeys {
  let ring = first;
  let reloading = Promise.resolve();

  async function reload(): Promise<void> {
    try {
      const content = readKeysContent(path);
      const next = toKeyRing(content);
      requireSameVersions(path, ring, next);
      await requireSameKeys(store, path, next, false);
      ring = next;
      await share(content);
      const { current, byVersion, imported } = ring;
      const names = imported.map(({ name }) => name);
      log.info(
        { path, current: current.version, versions: [...byVersion.keys()], imported: names },
        "read the keys again",
      );
    } catch (error) {
      log.error({ path, faults: faultsOf(error) }, "the keys stay as they were: the file can't be used");
    }
  }

  return {
    get ring() {
      return ring;
    },
    // One after the other, so that the last one to be asked for is the one that counts.
    reload() {
      reloading = reloading.then(reload);
      return reloading;
    },
  };
}

/**
 * Makes the keys those of the store, if it is new or knows one of them.
 *
 * @param isNew whether the file was made just now: then it is taken back.
 * @throws ConfigError if the store knows others.
 */
export async function requireSameKeys(store: Store, path: string, keys: KeyRing, isNew: boolean): Promise<void> {
  if (await store.adoptKeys(fingerprintsOf(keys))) return;
  // A new file would look like the lost one.
  if (isNew) removeKeysFile(path);
  const fault = isNew ? "is not there" : "holds none of the service keys that the tokens in the store were made with";
  throw new ConfigError(path, [
    `${fault}; without the right keys every token would look wrong: put the right file in its place, or point LATCHKEY_KEYS to it`,
  ]);
}

/** A version that stands for another key than before would make all of its tokens wrong at once. */
function requireSameVersions(path: string, before: KeyRing, next: KeyRing): void {
  const isOther = ({ version, fingerprint }: DerivedKey) =>
    (before.byVersion.get(version)?.fingerprint ?? fingerprint) !== fingerprint;
  const faults = [...next.byVersion.values()]
    .filter(isOther)
    .map(({ version }) => `keys: version ${version} is another key than it was: give a new key a version of its own`);
  if (faults.length > 0) throw new ConfigError(path, faults);
}

/** What is wrong, without anything of the file itself. */
function faultsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.faults;
  return [error instanceof TokenError ? error.message : String(Object(error).name)];
}
