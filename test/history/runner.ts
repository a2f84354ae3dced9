import { connectPlayers } from "../support/players.ts";
import { Game, type PlayedKind } from "./game.ts";
import type { History } from "./history.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";

/** How many calls a client makes at once. */
const AT_ONCE = 4;

export interface Match {
  /** Of services on the same data. */
  readonly urls: readonly string[];
  readonly clients: number;
  /** How many operations to record, before all secrets are looked at a last time. */
  readonly operations: number;
  readonly kinds: readonly PlayedKind[];
  readonly seed: number;
}

/** Lets clients loose on a service, and answers what they did and were told. */
export async function recordHistory({ urls, clients, operations, kinds, seed }: Match): Promise<History> {
  const recorder = new Recorder();
  const game = new Game(recorder, new Random(seed), kinds);
  const players = connectPlayers(urls, clients);
  const turns = players.flatMap((player) => Array.from({ length: AT_ONCE }, () => player));
  await Promise.all(
    turns.map(async (player) => {
      while (recorder.history.length < operations) await game.play(player);
    }),
  );
  for (const player of players.slice(0, 2)) await game.lookAtAll(player);
  for (const player of players) player.close();
  return recorder.history;
}
