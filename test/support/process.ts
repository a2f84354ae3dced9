import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";

const PROJECT = join(import.meta.dirname, "../..");
const START_TIMEOUT = 15_000;

/** A Latchkey, or another program of it, in a process of its own. */
export interface ServiceProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** What it has written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit code, or the signal that ended it. */
  readonly exit: Promise<number | string>;
  /** `kill -9` for it and all that it started, if any of it still runs. */
  destroy(): void;
}

/** Runs `node src/main.ts` with these variables of Latchkey and no others. */
export function spawnService(variables: Record<string, string>, cwd = PROJECT): ServiceProcess {
  return spawnCommand(process.execPath, [join(PROJECT, "src/main.ts")], variables, cwd);
}

/** Runs `npm start` with these variables of Latchkey and no others. */
export function spawnNpmStart(variables: Record<string, string>): ServiceProcess {
  return spawnCommand("npm", ["start"], variables, PROJECT);
}

/** Runs `node src/import.ts` with these words and variables of Latchkey, and no others. */
export function spawnImport(words: string[], variables: Record<string, string>, cwd = PROJECT): ServiceProcess {
  return spawnCommand(process.execPath, [join(PROJECT, "src/import.ts"), ...words], variables, cwd);
}

/** Runs `npm run import -- <words>` with these variables of Latchkey and no others. */
export function spawnNpmImport(words: string[], variables: Record<string, string>): ServiceProcess {
  return spawnCommand("npm", ["run", "import", "--", ...words], variables, PROJECT);
}

/** Runs a command with these variables of Latchkey and no others. */
export function spawnCommand(
  command: string,
  words: string[],
  variables: Record<string, string>,
  cwd = PROJECT,
): ServiceProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LATCHKEY_"));
  const env = { ...Object.fromEntries(inherited), ...variables };
  // In a process group of its own, so that npm's child does not outlive a test that fails.
  const child = spawn(command, words, { cwd, env, detached: true });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const exit = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal ?? "lost"));
  });
  const destroy = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  return { child, exit, stdout: () => stdout, stderr: () => stderr, destroy };
}

/** The address at which the process serves, once it does. Rejects with what it said if it ends before. */
export function untilServing(service: ServiceProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${why}: ${service.stderr()}`));
    const timer = setTimeout(fail, START_TIMEOUT, "did not start in time");
    const look = () => {
      const [, url] = /serves on (\S+) /.exec(service.stdout()) ?? [];
      if (url === undefined) return;
      clearTimeout(timer);
      service.child.stdout.off("data", look);
      resolve(url);
    };
    service.child.stdout.on("data", look);
    service.exit.then((code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
  });
}
