import { createSecretKey, randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { createDigestSource, createJwtSource, type ImportedSource } from "../domain/imported.ts";
import { createKeyRing, type KeyRing, type ServiceKey } from "../domain/keys.ts";
import { ConfigError } from "./config-error.ts";
import { convertAll } from "./convert-all.ts";
import { writeFirstFile } from "./first-file.ts";
import { type ImportedEntry, importedSchema, secretOf } from "./imported-schema.ts";
import { readYaml } from "./read-yaml.ts";
import { readVerificationKeys } from "./verification-keys.ts";

const keysFile = z
  .strictObject({
    keys: z
      .array(
        z.strictObject({
          version: z.int().min(1).max(0xffff_ffff),
          secret: secretOf(32),
        }),
      )
      .min(1),
    imported: importedSchema.default([]),
  })
  .refine(({ keys }) => new Set(keys.map((key) => key.version)).size === keys.length, {
    path: ["keys"],
    message: "must each have a version of its own",
  });

/**
 * Reads the keys file, and makes it first if it is not there.
 *
 * @param strict never make it.
 * @throws ConfigError as `readKeysFile`
 */
export function openKeysFile(path: string, strict: boolean): { readonly keys: KeyRing; readonly isNew: boolean } {
  if (strict && !existsSync(path)) {
    const fault = "is not there, and with LATCHKEY_STRICT=1 none is made: see README.md, Configuration";
    throw new ConfigError(path, [fault]);
  }
  const isNew = makeKeysFile(path);
  return { keys: readKeysFile(path), isNew };
}

/**
 * Reads a keys file (YAML or JSON): `keys:` with a list of `version` (a number) and `secret` (base64 of 32 random bytes or
 * more), the current key first, then the retiring ones; and perhaps `imported:` with the sources of imported tokens.
 *
 * @throws ConfigError that lists every fault with its line, and never a secret.
 */
export function readKeysFile(path: string): KeyRing {
  const { keys, imported } = readYaml(path, keysFile);
  const sources = convertAll(path, imported, (entry) => toImportedSource(entry, dirname(path)));
  return createKeyRing(keys as unknown as readonly [ServiceKey, ...ServiceKey[]], sources);
}

/** @param folder what a `jwks_file` is relative to. */
function toImportedSource(entry: ImportedEntry, folder: string): ImportedSource {
  const { name, algorithm, secret } = entry;
  if (entry.type === "digest") return createDigestSource({ name, algorithm: entry.algorithm, secret });
  const keys = secret ? [{ kid: undefined, key: createSecretKey(secret) }] : readVerificationKeys(entry, folder);
  return createJwtSource({ name, issuer: entry.issuer, algorithm, keys });
}

/** Takes back a file that was just made, and that nothing was made with. */
export function removeKeysFile(path: string): void {
  rmSync(path);
}

/** Writes a keys file with one new key, unless the file is there. Answers whether it has. */
export function makeKeysFile(path: string): boolean {
  const secret = randomBytes(32).toString("base64");
  return writeFirstFile(
    path,
    `# The service keys of Latchkey. Whoever has them and the store can forge tokens; without them every token is lost.\nkeys:\n  - version: 1\n    secret: ${secret}\n`,
  );
}
