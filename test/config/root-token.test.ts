import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openRootToken } from "../../src/config/root-token.ts";
import { errorOf, makeFolder } from "./folder.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest();

describe("the root token", () => {
  test("is the operator's, if one is given; then nothing is written", () => {
    const folder = join(makeFolder(), "data");
    const root = openRootToken("given".repeat(8), folder);
    root.keep();
    expect(Buffer.from(root.digest)).toEqual(sha256("given".repeat(8)));
    expect(root).toMatchObject({ created: undefined, path: undefined });
    expect(existsSync(folder)).toBe(false);
  });

  test("is made at the first start: 256 random bits, of which only the hash is kept", () => {
    const folder = makeFolder();
    const root = openRootToken(undefined, folder);
    root.keep();
    const created = root.created ?? "";
    expect(created).toMatch(/^lk_root_[0-9A-Za-z]{43}$/);
    expect(43 * Math.log2(62)).toBeGreaterThanOrEqual(256);
    expect(root.path).toBe(join(folder, "root-token.sha256"));
    expect(readFileSync(root.path ?? "", "utf8")).toBe(`${sha256(created).toString("hex")}\n`);
    expect(statSync(root.path ?? "").mode & 0o777).toBe(0o600);
    expect(Buffer.from(root.digest)).toEqual(sha256(created));
  });

  test("is made once: later starts know it and can't show it", () => {
    const folder = makeFolder();
    const first = openRootToken(undefined, folder);
    first.keep();
    const second = openRootToken(undefined, folder);
    second.keep();
    expect(Buffer.from(second.digest)).toEqual(Buffer.from(first.digest));
    expect(second).toMatchObject({ created: undefined, path: first.path });
  });

  test("of a start that failed is not kept, for it was shown to nobody", () => {
    const folder = makeFolder();
    const failed = openRootToken(undefined, folder);
    expect(existsSync(failed.path ?? "")).toBe(false);
    const next = openRootToken(undefined, folder);
    expect(next.created).toBeDefined();
    expect(next.created).not.toBe(failed.created);
  });

  test("is kept by one of two that start at the same moment; the other refuses to start", () => {
    const folder = makeFolder();
    const first = openRootToken(undefined, folder);
    const second = openRootToken(undefined, folder);
    first.keep();
    expect(errorOf(() => second.keep()).faults).toEqual([
      "was made by another process at the same moment; start again",
    ]);
    expect(Buffer.from(openRootToken(undefined, folder).digest)).toEqual(Buffer.from(first.digest));
  });

  test.each(["", "x", "0".repeat(63), `${"0".repeat(64)}0`, "A".repeat(64), "lk_root_s3cret"])(
    "is not made anew where its file holds something else: %j",
    (text) => {
      const folder = makeFolder();
      const path = join(folder, "root-token.sha256");
      writeFileSync(path, text);
      const error = errorOf(() => openRootToken(undefined, folder));
      expect(error.faults).toEqual(["does not hold the SHA-256 of a root token; delete it to have a new one made"]);
      expect(error.message).toContain(path);
      expect(error.message).not.toContain("s3cret");
    },
  );
});
