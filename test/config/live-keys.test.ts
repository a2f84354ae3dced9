import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeKeysFile, readKeysFile } from "../../src/config/keys-file.ts";
import { createLiveKeys, requireSameKeys } from "../../src/config/live-keys.ts";
import { createKeyRing, fingerprintsOf } from "../../src/domain/keys.ts";
import { TokenError } from "../../src/errors.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { makeFolder } from "./folder.ts";

const secretOf = (byte: number) => Buffer.alloc(32, byte).toString("base64");
const entry = (version: number, byte = version) => `{ version: ${version}, secret: ${secretOf(byte)} }`;
const keysFile = (...entries: string[]) => `keys: [${entries.join(", ")}]\n`;

/** Live keys on a store of their own, that began with the key of version 1. */
async function open(changes: Partial<TokenStore> = {}) {
  const folder = makeFolder();
  const path = join(folder, "keys.yaml");
  const store = await openSqliteStore({ path: join(folder, "tokens.db"), clock: Date.now });
  onTestFinished(() => store.close());
  writeFileSync(path, keysFile(entry(1)));
  const first = readKeysFile(path);
  await requireSameKeys(store, path, first, false);
  const lines: string[] = [];
  const log = pino({ level: "info", base: null, timestamp: false }, { write: (line: string) => void lines.push(line) });
  const adoptKeys = changes.adoptKeys ?? store.adoptKeys.bind(store);
  const keys = createLiveKeys({ adoptKeys }, path, first, log);
  return {
    keys,
    first,
    path,
    store,
    lines: () => lines.map((line) => JSON.parse(line)),
    write: (text: string) => writeFileSync(path, text),
  };
}

describe("the keys file is read again", () => {
  test("and counts from then on, in its new order", async () => {
    const { keys, path, lines, write } = await open();
    write(`${keysFile(entry(2), entry(1))}imported: [{ name: old, type: digest, algorithm: sha256 }]`);
    expect(keys.ring.current.version).toBe(1);
    await keys.reload();
    expect(keys.ring.current.version).toBe(2);
    expect([...keys.ring.byVersion.keys()]).toEqual([2, 1]);
    expect(keys.ring.imported.map(({ name }) => name)).toEqual(["old"]);
    expect(lines()).toEqual([
      { level: 30, path, current: 2, versions: [2, 1], imported: ["old"], msg: "read the keys again" },
    ]);
  });

  test("and the store knows the new keys from then on, so that the old one may go", async () => {
    const { keys, write } = await open();
    for (const text of [keysFile(entry(1), entry(2)), keysFile(entry(2), entry(1)), keysFile(entry(2))]) {
      write(text);
      await keys.reload();
      expect(fingerprintsOf(keys.ring)).toHaveLength(text.split("version").length - 1);
    }
    expect(fingerprintsOf(keys.ring)).not.toContain(fingerprintsOf(readKeysFile((await open()).path))[0]);
  });

  test("one time after the other, however fast it is asked for", async () => {
    const releases: (() => void)[] = [];
    const adoptKeys = () => new Promise<boolean>((resolve) => releases.push(() => resolve(true)));
    const { keys, write } = await open({ adoptKeys });
    write(keysFile(entry(1), entry(2)));
    const reloads = [keys.reload()];
    await expect.poll(() => releases.length).toBe(1);
    write(keysFile(entry(2), entry(1)));
    reloads.push(keys.reload());
    expect(releases).toHaveLength(1);
    releases[0]?.();
    await expect.poll(() => releases.length).toBe(2);
    expect(keys.ring.current.version).toBe(1);
    releases[1]?.();
    await Promise.all(reloads);
    expect(keys.ring.current.version).toBe(2);
  });
});

describe("the keys stay as they are, and the log says why,", () => {
  const OTHER =
    "holds none of the service keys that the tokens in the store were made with; without the right keys every token would look wrong: put the right file in its place, or point LATCHKEY_KEYS to it";

  test.each([
    [
      "if the file is half written",
      `keys: [${entry(2)}, { version: 1`,
      expect.stringMatching(/^keys\.yaml:1: is not well-formed/),
    ],
    ["if it is empty", "", expect.stringMatching(/^keys\.yaml:1: /)],
    [
      "if a key is too short",
      "keys:\n  - version: 1\n    secret: s3cret==",
      "keys.yaml:3: keys[0].secret: must be 32 random bytes or more",
    ],
    ["if it holds none of the store's keys", keysFile(entry(7)), OTHER],
    [
      "if a version has become another key",
      keysFile(entry(2), entry(1, 9)),
      "keys: version 1 is another key than it was: give a new key a version of its own",
    ],
  ])("%s", async (_, text, fault) => {
    const { keys, first, lines, write, store } = await open();
    write(text);
    await keys.reload();
    expect(keys.ring).toBe(first);
    const [line, ...others] = lines();
    expect(others).toEqual([]);
    expect(line).toMatchObject({ level: 50, msg: "the keys stay as they were: the file can't be used" });
    expect([...new Set(line.faults.map((found: string) => found.replace(/^\S*\//, "")))]).toEqual([fault]);
    expect(JSON.stringify(line)).not.toMatch(/s3cret|AQEBAQ|AgICAg|BwcHBw|CQkJCQ/);
    // What was refused was not made the store's own either.
    const other = createKeyRing([{ version: 7, secret: Buffer.alloc(32, 7) }]);
    expect(await store.adoptKeys(fingerprintsOf(other))).toBe(false);
  });

  test("if the store can't say whether they are its own", async () => {
    const adoptKeys = () => Promise.reject(new TokenError("STORE_UNAVAILABLE", "the store can't be reached"));
    const { keys, first, lines, write } = await open({ adoptKeys });
    write(keysFile(entry(2), entry(1)));
    await keys.reload();
    expect(keys.ring).toBe(first);
    expect(lines()).toMatchObject([{ level: 50, faults: ["the store can't be reached"] }]);
  });

  test("and the next time counts again", async () => {
    const { keys, write } = await open();
    write("keys: 7");
    await keys.reload();
    write(keysFile(entry(2), entry(1)));
    await keys.reload();
    expect(keys.ring.current.version).toBe(2);
  });
});

test("a file that was made just now is taken back if the store belongs to other keys", async () => {
  const { store } = await open();
  const path = join(makeFolder(), "keys.yaml");
  makeKeysFile(path);
  await expect(requireSameKeys(store, path, readKeysFile(path), true)).rejects.toMatchObject({
    faults: [expect.stringMatching(/^is not there; without the right keys every token would look wrong/)],
  });
  expect(makeKeysFile(path)).toBe(true);
});
