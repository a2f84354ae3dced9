/**
 * Writes `gen/` from `proto/`.
 *
 * The protos of others that ours stand on are collected in `third_party/` (not committed) out of the installed packages,
 * so that no schema registry is needed. protovalidate's package holds no source, only its descriptor: that is printed.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print-proto.ts";

const root = join(import.meta.dirname, "..");
const thirdParty = join(root, "third_party");
const require = createRequire(import.meta.url);

function packageFolder(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}

rmSync(thirdParty, { recursive: true, force: true });
mkdirSync(join(thirdParty, "buf/validate"), { recursive: true });
writeFileSync(join(thirdParty, "buf/validate/validate.proto"), printProto(file_buf_validate_validate.proto));
cpSync(join(packageFolder("@grpc/reflection"), "build/proto/grpc"), join(thirdParty, "grpc"), { recursive: true });
cpSync(join(packageFolder("grpc-health-check"), "proto/health"), join(thirdParty, "grpc/health"), { recursive: true });
cpSync(join(root, "vendor"), thirdParty, { recursive: true });

execFileSync("buf", ["generate"], { cwd: root, stdio: "inherit" });
