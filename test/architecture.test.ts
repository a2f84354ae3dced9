import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { methodPermissions } from "../src/auth/permissions.ts";
import { createTokenService } from "../src/service/token-service.ts";
import { openWorld } from "./domain/world.ts";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
const MAX_LINES = 350;

interface Import {
  readonly file: string;
  /** A path under src, `#gen/…`, or a package. */
  readonly target: string;
  readonly isType: boolean;
}

const IMPORT = /^(?:import|export)\s+(type\s)?(?:[^;"]*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const imports = files.flatMap(readImports);

function readImports(file: string): Import[] {
  const text = readFileSync(join(SOURCE, file), "utf8");
  return [...text.matchAll(IMPORT)].map(([, type, fixed, dynamic]) => {
    const specifier = fixed ?? dynamic ?? "";
    const target = specifier.startsWith(".") ? relative(SOURCE, join(SOURCE, file, "..", specifier)) : specifier;
    return { file, target, isType: type !== undefined };
  });
}

/** The layer of a file, or of what an import leads to. */
function layerOf(path: string): string {
  if (path.startsWith("#gen/latchkey/store/")) return "gen/store";
  if (path.startsWith("#gen/")) return "gen";
  if (path === "errors.ts") return "errors";
  if (/^(config|import|workers)\//.test(path)) return "entry";
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "entry";
}

const isPackage = ({ target }: Import) => !target.startsWith("#gen/") && !files.includes(target);
const show = ({ file, target }: Import) => `${file} -> ${target}`;

/** What each layer may import: values and types of some, only types of others. */
const LAYERS: Record<string, { values: string[]; types: string[] }> = {
  wire: { values: ["call", "gen", "errors"], types: [] },
  call: { values: ["service", "auth", "gen", "errors"], types: ["domain"] },
  auth: { values: ["domain", "errors"], types: [] },
  service: { values: ["domain", "gen", "errors"], types: [] },
  domain: { values: ["errors"], types: ["store"] },
  store: { values: ["errors"], types: ["domain"] },
  errors: { values: [], types: [] },
};

/** The pure functions over tokens and base62, and the system's clock, which the stores share with the domain. */
const SHARED_WITH_STORES = ["domain/token.ts", "domain/clock.ts", "domain/base62.ts"];

describe("the layers", () => {
  test("are all there, and the imports are read", () => {
    expect(new Set(files.map(layerOf))).toEqual(new Set([...Object.keys(LAYERS), "entry"]));
    expect(imports.filter((found) => !isPackage(found)).length).toBeGreaterThan(100);
    const unresolved = imports.filter(
      ({ target }) =>
        target.startsWith("..") || (target.endsWith(".ts") && !target.startsWith("#") && !files.includes(target)),
    );
    expect(unresolved.map(show)).toEqual([]);
  });

  test.each(Object.entries(LAYERS))(
    "%s imports what its row of the table allows, and no more",
    (layer, { values, types }) => {
      const forbidden = imports.filter((found) => {
        const target = layerOf(found.target);
        if (layerOf(found.file) !== layer || isPackage(found) || target === layer) return false;
        if (layer === "store" && SHARED_WITH_STORES.includes(found.target)) return false;
        return !values.includes(target) && !(found.isType && types.includes(target));
      });
      expect(forbidden.map(show)).toEqual([]);
    },
  );

  test("nothing but the entry imports the entry", () => {
    const found = imports.filter(
      ({ file, target }) => layerOf(file) !== "entry" && files.includes(target) && layerOf(target) === "entry",
    );
    expect(found.map(show)).toEqual([]);
  });

  test("nothing imports a program: main.ts, import.ts and that of the workers are the only files with side effects", () => {
    expect(imports.filter(({ target }) => /^(main|import|workers\/worker)\.ts$/.test(target)).map(show)).toEqual([]);
  });
});

describe("a package is imported where it belongs and nowhere else", () => {
  test.each<[string, RegExp, RegExp]>([
    ["ioredis, in the Redis store", /^ioredis/, /^store\/redis[a-z-]*\.ts$/],
    ["node:sqlite, in the SQLite store", /^node:sqlite$/, /^store\/sqlite[a-z-]*\.ts$/],
    ["Connect, in the wire layer", /^@connectrpc\//, /^wire\//],
    ["HTTP servers, in the wire layer", /^node:(http|http2|https|net)$/, /^wire\//],
    ["protovalidate, in the pipeline", /^@bufbuild\/protovalidate/, /^call\/validate\.ts$/],
    ["jose, in the auth layer and where secrets are JWTs", /^jose/, /^((auth|config)\/|domain\/(jwt|imported)\.ts)/],
    ["what Node's crypto lacks, where it is lacking", /^@noble\//, /^domain\/(signing-keys|imported)\.ts$/],
    ["zod, in the configuration and for files of tokens", /^zod/, /^(config|import\/)/],
    ["luxon, where lengths of time are", /^luxon$/, /^domain\/span\.ts$/],
    ["the file system, in the entry and the SQLite store", /^node:fs/, /^(config|main\.ts|import\/|store\/sqlite)/],
    ["processes, where several serve one port", /^node:cluster$/, /^workers\//],
    ["other processes and threads, nowhere", /^node:(child_process|worker_threads|vm)$/, /^$/],
  ])("%s", (_, name, home) => {
    const strays = imports.filter(({ file, target }) => name.test(target) && !home.test(file));
    expect(strays.map(show)).toEqual([]);
  });

  test("and the domain knows no more of protobuf than the type of a JSON object", () => {
    const found = imports.filter(({ file, target, isType }) => {
      if (layerOf(file) !== "domain" || !/^(@bufbuild|@connectrpc|#gen|pino|zod)/.test(target)) return false;
      return target !== "@bufbuild/protobuf" || !isType;
    });
    expect(found.map(show)).toEqual([]);
  });
});

describe("every method of the TokenService", () => {
  test("has its row in the table of permissions, and the table no other row", () => {
    expect([...methodPermissions.keys()].toSorted()).toEqual(TokenService.methods.map(({ name }) => name).toSorted());
  });

  test("has its handler, and there is no other handler", async () => {
    const { context } = await openWorld();
    const handlers = Object.keys(createTokenService(context));
    expect(handlers.toSorted()).toEqual(TokenService.methods.map(({ localName }) => localName).toSorted());
  });

  test("is a POST: none may be called with GET, which would put secrets into URLs", () => {
    for (const { name, idempotency } of TokenService.methods) expect([name, idempotency]).toEqual([name, 0]);
  });
});

test("no file is so long that it has more than one reason to change", () => {
  const lengths = files.map((file) => [file, readFileSync(join(SOURCE, file), "utf8").split("\n").length] as const);
  expect(lengths.filter(([, length]) => length > MAX_LINES)).toEqual([]);
});
