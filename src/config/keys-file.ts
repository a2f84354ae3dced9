import { createSecretKey, randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { createDigestSource, createJwtSource, type ImportedSource } from "../domain/imported.ts";
import { createKeyRing, type KeyRing, type ServiceKey } from "../domain/keys.ts";
import { ConfigError } from "./config-error.ts";
import { convertAll } from "./convert-all.ts";
import { writeFirstFile } from "./first-file.ts";
import { type ImportedEntry, importedSchema, secretOf } from "./imported-schema.ts";
import { readYaml } from "./read-yaml.ts";
import { keysFor, readVerificationKeys } from "./verification-keys.ts";

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

/** The service keys, and what they were made of. */
export interface OpenedKeys {
  readonly keys: KeyRing;
  readonly content: KeysContent;
  /** Whether the file was made just now. */
  readonly isNew: boolean;
}

/**
 * Reads the keys file, and makes it first if it is not there.
 *
 * @param strict never make it.
 * @throws ConfigError as `readKeysFile`
 */
export function openKeysFile(path: string, strict: boolean): OpenedKeys {
  if (strict && !existsSync(path)) {
    const fault = "is not there, and with LATCHKEY_STRICT=1 none is made: see README.md, Configuration";
    throw new ConfigError(path, [fault]);
  }
  const isNew = makeKeysFile(path);
  const content = readKeysContent(path);
  return { keys: toKeyRing(content), content, isNew };
}

/** What a keys file and the files that it names say, as plain data, so that it can be sent to another process. */
export interface KeysContent {
  /** The current key first, then the retiring ones. */
  readonly keys: readonly ServiceKey[];
  readonly imported: readonly ImportedEntry[];
}

/**
 * Reads a keys file (YAML or JSON): `keys:` with a list of `version` (a number) and `secret` (base64 of 32 random bytes or
 * more), the current key first, then the retiring ones; and perhaps `imported:` with the sources of imported tokens.
 *
 * @throws ConfigError that lists every fault with its line, and never a secret.
 */
export function readKeysFile(path: string): KeyRing {
  return toKeyRing(readKeysContent(path));
}

/** What `readKeysFile` makes the keys of. Throws as it does. */
export function readKeysContent(path: string): KeysContent {
  const { keys, imported } = readYaml(path, keysFile);
  return { keys, imported: convertAll(path, imported, (entry) => withKeys(entry, dirname(path))) };
}

export function toKeyRing({ keys, imported }: KeysContent): KeyRing {
  return createKeyRing(keys as unknown as readonly [ServiceKey, ...ServiceKey[]], imported.map(toImportedSource));
}

/** @param folder what a `jwks_file` is relative to. */
function withKeys(entry: ImportedEntry, folder: string): ImportedEntry {
  if (entry.type === "digest" || entry.jwks_file === undefined) return entry;
  return { ...entry, jwks: readVerificationKeys(resolve(folder, entry.jwks_file), entry.algorithm) };
}

function toImportedSource(entry: ImportedEntry): ImportedSource {
  const { name, algorithm, secret } = entry;
  if (entry.type === "digest") return createDigestSource({ name, algorithm: entry.algorithm, secret });
  const keys = secret
    ? [{ kid: undefined, key: createSecretKey(secret) }]
    : keysFor(algorithm, entry.jwks ?? { keys: [] });
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
