import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian's own Python, which sees the modules of Debian's packages; others on the path may not. */
export const DEBIAN_PYTHON = "/usr/bin/python3";

export interface Tool {
  readonly command: string;
  /** A module that Python must have. */
  readonly module?: string;
  readonly package: string;
}

/** What the tests need beyond npm, each with Debian's package for it. */
const TOOLS: readonly Tool[] = [
  { command: "redis-server", package: "redis-server" },
  { command: "chromium", package: "chromium" },
  { command: "openssl", package: "openssl" },
  { command: "curl", package: "curl" },
  { command: "ip", package: "iproute2" },
  { command: DEBIAN_PYTHON, module: "grpc", package: "python3-grpcio" },
  { command: DEBIAN_PYTHON, module: "hpack", package: "python3-hpack" },
  { command: "h2load", package: "nghttp2-client" },
];

/** Vitest's global set-up: sees to it that the tools are there, so that no test has to be skipped. */
export default function setup(): void {
  provideTools("The tests", TOOLS);
}

/** Installs those of the tools that are missing. */
export function provideTools(whoNeeds: string, tools: readonly Tool[]): void {
  const missing = tools.filter((tool) => !isThere(tool));
  if (missing.length === 0) return;
  const packages = missing.map((tool) => tool.package);
  if (!canInstall()) {
    throw new Error(`${whoNeeds} need ${packages.join(", ")}. As root: apt-get install ${packages.join(" ")}`);
  }
  console.log(`${whoNeeds} need ${packages.join(", ")}: installing from Debian's packages …`);
  install(["update", "-qq"]);
  install(["install", "-qq", "-y", "--no-install-recommends", ...packages]);
}

function isThere({ command, module }: Tool): boolean {
  if (module === undefined) return findOnPath(command) !== undefined;
  return isExecutable(command) && spawnSync(command, ["-c", `import ${module}`]).status === 0;
}

/** The path of a command; undefined if it is not there. Looks where root's commands are, too: not every PATH has them. */
export function findOnPath(command: string): string | undefined {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"]
    .map((folder) => join(folder, command))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function canInstall(): boolean {
  if (findOnPath("apt-get") === undefined) return false;
  if (isRoot()) return true;
  try {
    execFileSync("sudo", ["-n", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function install(words: string[]): void {
  const [command, ...rest] = isRoot() ? ["apt-get", ...words] : ["sudo", "-n", "apt-get", ...words];
  execFileSync(command as string, rest, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}
