import { setTimeout } from "node:timers/promises";
import { connectPlayers, type Player } from "../support/players.ts";
import { Game, type GameOptions } from "./game.ts";
import type { History } from "./history.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";

/** How many calls a client makes at once. */
const AT_ONCE = 4;
/** How often progress is looked at, in milliseconds. */
const POLL = 5;

export interface Match extends GameOptions {
  /** Of services on the same data. */
  readonly urls: readonly string[];
  readonly clients: number;
  /** How many operations must have been answered, before all secrets are looked at a last time. */
  readonly operations: number;
  readonly seed: number;
  /** What else happens meanwhile. The clients go on until it is over. */
  readonly meanwhile?: ((progress: Progress) => Promise<unknown>) | undefined;
  /** How clients come to the services. */
  readonly connect?: typeof connectPlayers;
}

/** Resolves when this part of the operations is recorded, from 0 to 1. */
export type Progress = (part: number) => Promise<void>;

/** Lets clients loose on services, and answers what they did and were told. */
export async function recordHistory(match: Match): Promise<History> {
  const { urls, clients, operations, seed, meanwhile, connect = connectPlayers } = match;
  const recorder = new Recorder();
  const game = new Game(recorder, new Random(seed), match);
  const players = connect(urls, clients);
  const turns = players.flatMap((player) => Array.from({ length: AT_ONCE }, () => player));

  let isOver = meanwhile === undefined;
  const others = meanwhile?.(async (part) => {
    while (recorder.answered < part * operations) await setTimeout(POLL);
  }).finally(() => {
    isOver = true;
  });
  const play = async (player: Player) => {
    while (recorder.answered < operations || !isOver) await game.play(player);
  };
  await Promise.all([others, ...turns.map(play)]);
  for (const player of players.slice(0, 2)) await game.lookAtAll(player);
  for (const player of players) player.close();
  return recorder.history;
}
