import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { join } from "node:path";
import { pinned } from "./cores.ts";

const PROJECT = join(import.meta.dirname, "../..");

export interface ScriptOptions {
  /** From the project's folder. */
  readonly file: string;
  /** Variables besides those that all processes have. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Unset: any core. */
  readonly core?: string;
  readonly nodeOptions?: readonly string[];
  /** Where its stderr goes. Unset: it is shown. */
  readonly log?: string;
}

/** Starts a script of ours with Node, with a channel for messages. */
export function startScript({ file, variables = {}, core, nodeOptions = [], log }: ScriptOptions): ChildProcess {
  const words = [...nodeOptions, join(PROJECT, file)];
  const [command, all] = core === undefined ? [process.execPath, words] : pinned(core, process.execPath, words);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LATCHKEY_"));
  const env = { ...Object.fromEntries(inherited), NODE_ENV: "production", ...variables };
  return spawn(command, all, {
    cwd: PROJECT,
    env,
    stdio: ["ignore", "pipe", log === undefined ? "inherit" : openSync(log, "a"), "ipc"],
  });
}

/** What the script has written on stdout by its end. Rejects if it fails. */
export async function runScript(options: ScriptOptions): Promise<string> {
  const child = startScript(options);
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${options.file} ended with ${code}`);
  return output;
}

/** Resolves with what the pattern finds on the script's stdout. Rejects if it ends before. */
export function untilWritten(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const ended = (code: number | null) => reject(new Error(`ended with ${code} before it was ready: ${output}`));
    child.once("exit", ended);
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      output += text;
      const [, found] = pattern.exec(output) ?? [];
      if (found === undefined) return;
      child.off("exit", ended);
      resolve(found);
    });
  });
}
