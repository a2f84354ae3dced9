import { TokenError } from "../errors.ts";

/**
 * Runs what writes the file.
 *
 * @throws INVALID_REQUEST if it can't be written.
 */
export function writing<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new TokenError("INVALID_REQUEST", `${path} can't be written (${(error as NodeJS.ErrnoException).code})`);
  }
}
