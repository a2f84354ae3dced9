import { readFileSync } from "node:fs";
import { join } from "node:path";
import { digestRootToken } from "../auth/authenticate.ts";
import { randomBase62 } from "../domain/base62.ts";
import { ConfigError } from "./config-error.ts";
import { writeFirstFile } from "./first-file.ts";

/** What is kept of the root token, and the token itself if it has just been made. */
export interface RootToken {
  /** SHA-256 of the text. */
  readonly digest: Uint8Array;
  /** To be shown once. */
  readonly created: string | undefined;
  /** The file that keeps the digest. Undefined: the operator gave the token. */
  readonly path: string | undefined;
}

/** The root token that the operator has given, or the one made at the first start, or a new one if this is the first. */
export function openRootToken(given: string | undefined, dataFolder: string): RootToken {
  if (given !== undefined) return { digest: digestRootToken(given), created: undefined, path: undefined };
  const path = join(dataFolder, "root-token.sha256");
  const token = `lk_root_${randomBase62(43)}`;
  const created = writeFirstFile(path, `${Buffer.from(digestRootToken(token)).toString("hex")}\n`);
  if (created) return { digest: digestRootToken(token), created: token, path };
  return { digest: readDigest(path), created: undefined, path };
}

function readDigest(path: string): Buffer {
  const text = readFileSync(path, "utf8").trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new ConfigError([`${path}: does not hold the SHA-256 of a root token; delete it to have a new one made`]);
  }
  return Buffer.from(text, "hex");
}
