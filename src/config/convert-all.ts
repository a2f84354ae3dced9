import { ConfigError } from "./config-error.ts";

/**
 * Converts the entries of a list in the file at `path`, some of which name files of their own.
 *
 * @throws ConfigError with the faults of all of them.
 */
export function convertAll<T, U>(path: string, entries: readonly T[], convert: (entry: T) => U): U[] {
  const faults: string[] = [];
  const converted = entries.flatMap((entry) => {
    try {
      return [convert(entry)];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      faults.push(...error.faults);
      return [];
    }
  });
  if (faults.length > 0) throw new ConfigError(path, faults);
  return converted;
}
