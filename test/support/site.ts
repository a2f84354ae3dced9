/** Where in the network a server runs. */
export interface Site {
  /** The address by which others know it. */
  readonly host: string;
  /** The address by which the test reaches it, whatever is cut. */
  readonly control: string;
  /** The addresses that it listens at. */
  readonly binds: readonly string[];
  /** The words of a command, as words that run it there: in the same process, so that signals reach it. */
  run(words: readonly string[]): readonly string[];
}

export const LOOPBACK: Site = {
  host: "127.0.0.1",
  control: "127.0.0.1",
  binds: ["127.0.0.1"],
  run: (words) => words,
};
