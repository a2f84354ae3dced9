/**
 * `npm run gen` writes `gen/` from `proto/`; with `--check` it only tells whether `gen/` is current.
 *
 * The protos of others that ours stand on are collected in `third_party/` (not committed) out of the installed packages,
 * so that no schema registry is needed. protovalidate's package holds no source, only its descriptor: that is printed.
 */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print-proto.ts";

const root = join(import.meta.dirname, "..");

collectThirdParty();
if (process.argv.includes("--check")) check();
else generate(root);

function collectThirdParty(): void {
  const folder = join(root, "third_party");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "buf/validate"), { recursive: true });
  writeFileSync(join(folder, "buf/validate/validate.proto"), printProto(file_buf_validate_validate.proto));
  cpSync(join(packageFolder("@grpc/reflection"), "build/proto/grpc"), join(folder, "grpc"), { recursive: true });
  cpSync(join(packageFolder("grpc-health-check"), "proto/health"), join(folder, "grpc/health"), { recursive: true });
  cpSync(join(root, "vendor"), folder, { recursive: true });
}

function packageFolder(name: string): string {
  return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
}

function generate(output: string): void {
  execFileSync("buf", ["generate", "--output", output], { cwd: root, stdio: "inherit" });
}

function check(): void {
  const fresh = mkdtempSync(join(tmpdir(), "latchkey-gen-"));
  try {
    generate(fresh);
    const [current, wanted] = [root, fresh].map((folder) => readTexts(join(folder, "gen")));
    if (JSON.stringify(current) === JSON.stringify(wanted)) return;
    console.error("gen/ is not what proto/ makes: run npm run gen, and commit the result");
    process.exitCode = 1;
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

function readTexts(folder: string): [path: string, text: string][] {
  const files = globSync("**/*.ts", { cwd: folder }).sort();
  return files.map((path) => [path, readFileSync(join(folder, path), "utf8")]);
}
