/** Configuration that can't be used, with everything that is wrong with it. Never quotes a value: it may be a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** One line each, for example `issuers.yaml:3: issuers[0].audiences: is missing`. */
  readonly faults: readonly string[];

  /** @param source where the configuration stands: a file's path, or `the environment`. */
  constructor(source: string, faults: readonly string[]) {
    super([`wrong configuration in ${source}:`, ...faults.map((fault) => `  ${fault}`)].join("\n"));
    this.faults = faults;
  }
}
