import { execFileSync } from "node:child_process";
import { runAtEnd } from "./at-end.ts";
import { LOOPBACK, type Site } from "./site.ts";
import { findOnPath } from "./system-tools.ts";

/** Which of a topology's nodes, by their numbers, are on the island. */
export interface IslandPlace {
  readonly partition: Partition;
  readonly nodes: readonly number[];
}

/** Where the n-th node of a topology runs. */
export function siteOf(n: number, place: IslandPlace | undefined): Site {
  if (!place) return LOOPBACK;
  return place.nodes.includes(n) ? place.partition.island : place.partition.mainland;
}

/** What can be set apart: SIGSTOP is the stand-in for a cut where there are no namespaces. */
export interface Freezable {
  freeze(): void;
  thaw(): void;
}

/**
 * Two sides of a network that can be cut apart.
 *
 * As root on Linux the island is a network namespace: while it is cut, its servers and clients reach each other and the test
 * reaches all of them at `control`, but nothing passes between the sides, and nobody is told. Elsewhere both sides are the
 * loopback, and the island's servers freeze: the mainland sees the same, and clients of the island no answers.
 */
export interface Partition {
  readonly isNetwork: boolean;
  readonly mainland: Site;
  readonly island: Site;
  /** For certificates. */
  readonly addresses: string[];
  cut(island: readonly Freezable[]): void;
  heal(island: readonly Freezable[]): void;
  /** Ends all that runs on the island; comes by itself when this process ends, however it does. */
  close(): Promise<void>;
}

/** The one place that decides whether partitions are real. */
export function openPartition(): Partition {
  if (process.platform !== "linux" || process.getuid?.() !== 0 || !findOnPath("ip")) return freezeOnly();
  return openNamespace() ?? freezeOnly();
}

function freezeOnly(): Partition {
  return {
    isNetwork: false,
    mainland: LOOPBACK,
    island: LOOPBACK,
    addresses: [],
    cut: (island) => island.forEach((server) => void server.freeze()),
    heal: (island) => island.forEach((server) => void server.thaw()),
    close: async () => {},
  };
}

const REMOVE_NAMESPACE = `
ip netns pids "$1" | while read -r pid; do kill -9 "$pid"; done
ip link del "d$1"; ip link del "c$1"; ip netns del "$1"`;

/** Undefined where namespaces are not allowed. */
function openNamespace(): Partition | undefined {
  const number = reserveNamespace();
  if (number === undefined) return undefined;
  const name = `lk${number}`;
  const remove = runAtEnd(REMOVE_NAMESPACE, name);
  // Of the networks for measurements of RFC 2544, where nothing else is: a pair of addresses each for what can be cut and
  // for what the test keeps.
  const address = (network: number, host: number) => `198.${network}.${number >> 6}.${(number & 63) * 4 + host}`;
  const [mainland, island, test, control] = [address(18, 1), address(18, 2), address(19, 1), address(19, 2)];
  link(name, `d${name}`, mainland, "data", island);
  link(name, `c${name}`, test, "control", control);
  ip("-n", name, "link", "set", "lo", "up");
  const inside = ["-n", name];
  return {
    isNetwork: true,
    mainland: { host: mainland, control: mainland, binds: [mainland], run: (words) => words },
    island: {
      host: island,
      control,
      binds: [island, control],
      run: (words) => ["ip", "netns", "exec", name, ...words],
    },
    addresses: [mainland, island, control],
    cut() {
      loseNeighbour([], `d${name}`, island);
      loseNeighbour(inside, "data", mainland);
    },
    heal() {
      findNeighbour([], `d${name}`, island);
      findNeighbour(inside, "data", mainland);
    },
    close: remove,
  };
}

function reserveNamespace(): number | undefined {
  for (let attempt = 0; attempt < 10; attempt++) {
    const number = Math.floor(Math.random() * 2 ** 14);
    try {
      // Fails if it is there, so it is ours alone.
      ip("netns", "add", `lk${number}`);
      return number;
    } catch {
      // Another one's, or not allowed.
    }
  }
  return undefined;
}

function link(namespace: string, outer: string, outerAddress: string, inner: string, innerAddress: string): void {
  ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", namespace);
  ip("addr", "add", `${outerAddress}/30`, "dev", outer);
  ip("link", "set", outer, "up");
  ip("-n", namespace, "addr", "add", `${innerAddress}/30`, "dev", inner);
  ip("-n", namespace, "link", "set", inner, "up");
}

// Frames to a hardware address that is nobody's are lost without a word. A link that is down would tell both sides at once
// that there is no route, which no cut cable does.
function loseNeighbour(inside: string[], device: string, address: string): void {
  ip(...inside, "neigh", "replace", address, "lladdr", "02:00:00:00:00:01", "nud", "permanent", "dev", device);
}

function findNeighbour(inside: string[], device: string, address: string): void {
  ip(...inside, "neigh", "del", address, "dev", device);
}

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: "pipe" });
}
