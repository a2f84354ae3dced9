import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { digestRootToken } from "../auth/authenticate.ts";
import { randomBase62 } from "../domain/base62.ts";
import { ConfigError } from "./config-error.ts";
import { writeFirstFile } from "./first-file.ts";

/** What is kept of the root token, and the token itself if it is new. */
export interface RootToken {
  /** SHA-256 of the text. */
  readonly digest: Uint8Array;
  /** To be shown once, when it is kept. */
  readonly created: string | undefined;
  /** The file that keeps the digest. Undefined: the operator gave the token. */
  readonly path: string | undefined;
  /** Writes the digest of a new token. Only then: a token whose start-up failed was shown to nobody. */
  keep(): void;
}

/** The root token that the operator has given, or the one of the first start, or a new one if this is the first. */
export function openRootToken(given: string | undefined, dataFolder: string): RootToken {
  if (given !== undefined) {
    return { digest: digestRootToken(given), created: undefined, path: undefined, keep: () => {} };
  }
  const path = join(dataFolder, "root-token.sha256");
  return existsSync(path)
    ? { digest: readDigest(path), created: undefined, path, keep: () => {} }
    : makeRootToken(path);
}

function makeRootToken(path: string): RootToken {
  const created = `lk_root_${randomBase62(43)}`;
  const digest = digestRootToken(created);
  return {
    digest,
    created,
    path,
    keep() {
      const isFirst = writeFirstFile(path, `${Buffer.from(digest).toString("hex")}\n`);
      if (!isFirst) throw new ConfigError(path, ["was made by another process at the same moment; start again"]);
    },
  };
}

function readDigest(path: string): Buffer {
  const text = readFileSync(path, "utf8").trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new ConfigError(path, ["does not hold the SHA-256 of a root token; delete it to have a new one made"]);
  }
  return Buffer.from(text, "hex");
}
