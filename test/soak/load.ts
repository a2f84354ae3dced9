import { setTimeout } from "node:timers/promises";
import { nameFailure } from "../support/answers.ts";
import { dials } from "./dial.ts";
import { comeAndGo, giveUp, intrude, probe, vanish, watch } from "./guest-rounds.ts";
import { between, Lines, pick, type Site } from "./site.ts";
import { askForMany, exchange, expire, live, meetResident, rotate, visitAndLeave } from "./token-rounds.ts";

interface Part {
  readonly name: string;
  /** Milliseconds between two rounds, on average. */
  readonly pause: number;
  play(): Promise<unknown>;
}

/** Clients of all sorts that call a service all the time, some two hundred times a second. */
export class Load {
  readonly #lines: Lines;
  readonly #site: Site;
  readonly #stopped: Promise<unknown>;
  #isOver = false;

  constructor(site: Site) {
    this.#site = site;
    this.#lines = new Lines(site);
    this.#stopped = Promise.all(castOf(site, this.#lines).map((part) => this.#run(part)));
  }

  /** Resolves when all rounds under way are over and all connections closed. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#stopped;
    this.#lines.close();
  }

  async #run({ name, pause, play }: Part): Promise<void> {
    while (!this.#isOver) {
      await play().catch((error: unknown) => this.#site.tally.note(`${name}: ${nameFailure(error)}`));
      await setTimeout(between(0, 2 * pause));
    }
  }
}

function castOf(site: Site, lines: Lines): Part[] {
  const ways = Object.keys(dials);
  const anyone = () => lines.to(pick(ways));
  const gate = (way = pick(ways)) => lines.to(way, site.service);
  return [
    ...ways.flatMap((way) => [
      { name: `live by ${way}`, pause: 600, play: () => live(site, lines.to(way), gate(way)) },
      { name: `meetResident by ${way}`, pause: 200, play: () => meetResident(site, lines, way) },
    ]),
    { name: "expire", pause: 200, play: () => expire(site, anyone()) },
    { name: "rotate", pause: 200, play: () => rotate(site, anyone()) },
    { name: "exchange", pause: 500, play: () => exchange(site, anyone()) },
    { name: "visitAndLeave", pause: 1000, play: () => visitAndLeave(site, anyone()) },
    { name: "askForMany", pause: 300, play: () => askForMany(site, gate()) },
    { name: "comeAndGo", pause: 200, play: () => comeAndGo(site) },
    { name: "intrude", pause: 800, play: () => intrude(site) },
    { name: "watch", pause: 200, play: () => watch(site) },
    { name: "giveUp", pause: 300, play: () => giveUp(site, anyone(), gate()) },
    { name: "vanish", pause: 300, play: () => vanish(site) },
    { name: "probe", pause: 1000, play: () => probe(site) },
  ];
}
