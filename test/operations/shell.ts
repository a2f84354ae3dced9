import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs lines of the page as they stand, in this folder, with these variables and this Redis for `redis-cli`. Answers what they print. */
export async function runShell(
  code: string,
  folder: string,
  variables: Record<string, string> = {},
  port = 0,
): Promise<string> {
  const redisCli = `redis-cli() { command redis-cli -p ${port} "$@"; }`;
  const options = { cwd: folder, env: { ...process.env, ...variables } };
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", `${redisCli}\n${code}`], options);
  return stdout;
}
