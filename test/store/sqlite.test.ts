import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { describeTokenStore } from "./contract.ts";

const folder = mkdtempSync(join(tmpdir(), "latchkey-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true }));

describeTokenStore("the SQLite store", () => openSqliteStore({ path: join(folder, "latchkey.db") }));
