import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { InactiveReason } from "#gen/latchkey/v1/token_service_pb.ts";
import { createGrpcJsClient } from "../support/grpc-js.ts";
import { ROOT_TOKEN } from "../support/service.ts";
import { Cluster, isAlive, makeFolder } from "./cluster.ts";

const HEADERS = { authorization: `Bearer ${ROOT_TOKEN}` };

type Introspects = { introspect(request: { secret: string }): Promise<{ active: boolean }>; close(): void };

/** Calls of grpc-js on a connection each, until the service can't be reached: those that were begun before a moment. */
class Callers {
  readonly done: Promise<void>;
  /** What became of each call that was begun before `mark`. */
  readonly before: unknown[] = [];
  answered = 0;
  #isMarked = false;

  constructor(url: string, secret: string, count: number) {
    const { host } = new URL(url);
    // Or all clients would share one connection.
    const options = { "grpc.use_local_subchannel_pool": 1 };
    const connect = () => createGrpcJsClient(host, credentials.createInsecure(), HEADERS, options);
    this.done = Promise.all(Array.from({ length: count }, () => this.#run(connect(), secret))).then(() => {});
  }

  mark(): void {
    this.#isMarked = true;
  }

  async #run(client: Introspects, secret: string): Promise<void> {
    for (let isOver = false; !isOver; ) {
      const isBefore = !this.#isMarked;
      const outcome = await client.introspect({ secret }).then(
        ({ active }) => active,
        (error: unknown) => error,
      );
      isOver = outcome !== true;
      if (isBefore) this.before.push(outcome);
      this.answered++;
    }
    client.close();
  }
}

describe("a signal to end drains all workers: what is under way is answered, and all processes are gone", () => {
  test.each([
    ["SIGTERM to the primary", "SIGTERM", (pid: number) => pid],
    ["SIGINT to the primary", "SIGINT", (pid: number) => pid],
    ["Ctrl-C, which gets to all processes", "SIGINT", (pid: number) => -pid],
    ["SIGTERM to all processes", "SIGTERM", (pid: number) => -pid],
  ] as const)("%s", async (_, signal, target) => {
    const cluster = await Cluster.start({ LATCHKEY_DRAIN_DELAY: "1", LATCHKEY_LOG: "info" });
    const { secret } = await cluster.client().create({ kind: "service", subject: "ada" });
    const callers = new Callers(cluster.url, secret, 4);
    await cluster.until(() => expect(callers.answered).toBeGreaterThan(100));
    callers.mark();
    const { pid = 0 } = cluster.process.child;
    process.kill(target(pid), signal);
    process.kill(target(pid), signal);
    expect(await cluster.process.exit).toBe(0);
    await callers.done;
    expect(callers.before.length).toBeGreaterThan(100);
    expect(callers.before.filter((outcome) => outcome !== true)).toEqual([]);
    for (const worker of cluster.pids().values()) expect(isAlive(worker)).toBe(false);
    expect(cluster.lines().slice(-2)).toMatchObject([{ msg: "stopping", signal }, { msg: "stopped" }]);
    expect(
      cluster
        .lines()
        .filter(({ level }) => Number(level) > 30)
        .map(({ msg }) => msg),
    ).toEqual([
      "made new service keys; every instance on this store needs a copy of this file",
      // That of the tests writes nothing to the disk. Told once, and not by each worker.
      "the store is not as safe as it could be",
    ]);
  });
});

/** The process itself: what it writes to is open for as long as its workers live. */
function primaryGone({ process: { child } }: Cluster): Promise<unknown> {
  return new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
}

test("workers whose primary is killed serve on for the drain delay, end, and free the port", async () => {
  const cluster = await Cluster.start({ LATCHKEY_DRAIN_DELAY: "1" });
  const { secret } = await cluster.client().create({ kind: "service", subject: "ada" });
  const callers = new Callers(cluster.url, secret, 2);
  await cluster.until(() => expect(callers.answered).toBeGreaterThan(20));
  cluster.process.child.kill("SIGKILL");
  expect(await primaryGone(cluster)).toBe("SIGKILL");
  // For as long as the drain delay says, they go on to serve the connections that they have.
  const answered = callers.answered;
  await cluster.until(() => expect(callers.answered).toBeGreaterThan(answered + 20));
  await callers.done;
  await cluster.until(() => expect([...cluster.pids().values()].filter(isAlive)).toEqual([]));
  expect(
    cluster
      .linesOf("the primary process is gone: stopping")
      .map(({ worker }) => worker)
      .sort(),
  ).toEqual([1, 2]);
  await expect(fetch(`${cluster.url}/healthz`)).rejects.toThrow("fetch failed");
});

describe("SIGHUP has the keys file read", () => {
  const secretOf = (version: number) => Buffer.alloc(32, `the key ${version} `).toString("base64");
  const keysFile = (...versions: number[]) =>
    `keys:\n${versions.map((version) => `  - { version: ${version}, secret: ${secretOf(version)} }\n`).join("")}`;

  async function start() {
    const folder = makeFolder();
    const path = join(folder, "keys.yaml");
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, keysFile(1));
    const cluster = await Cluster.start({ LATCHKEY_KEYS: path, LATCHKEY_WORKERS: "3" });
    const reload = async (text: string, said: string, target = (pid: number) => pid) => {
      const before = cluster.linesOf(said).length;
      writeFileSync(path, text);
      process.kill(target(cluster.process.child.pid ?? 0), "SIGHUP");
      await cluster.until(() => expect(cluster.linesOf(said)).toHaveLength(before + 1));
    };
    return { cluster, path, reload };
  }

  /** How many keys for JWTs each worker publishes. */
  async function publishedBy(cluster: Cluster): Promise<number[]> {
    const ask = async () => {
      const answer = await fetch(`${cluster.url}/.well-known/jwks.json`, { headers: { connection: "close" } });
      return ((await answer.json()) as { keys: unknown[] }).keys.length;
    };
    return [await ask(), await ask(), await ask()];
  }

  test("for all workers at once, with one line in the log, and also where all processes get the signal", async () => {
    const { cluster, reload } = await start();
    const { secret } = await cluster.client().create({ kind: "service", subject: "ada" });
    await reload(keysFile(1, 2), "read the keys again");
    expect(await publishedBy(cluster)).toEqual([4, 4, 4]);
    await reload(keysFile(2, 1), "read the keys again", (pid) => -pid);
    await reload(keysFile(2), "read the keys again");
    expect(await publishedBy(cluster)).toEqual([2, 2, 2]);
    for (const client of cluster.clients(1, 3)) {
      expect(await client.introspect({ secret })).toMatchObject({ active: false, reason: InactiveReason.UNKNOWN });
    }
    expect(cluster.linesOf("read the keys again")).toHaveLength(3);
  });

  test("for none of them if it has a fault, and a worker that comes later has the keys of the others", async () => {
    const { cluster, path, reload } = await start();
    await reload(keysFile(2, 1), "read the keys again");
    const kept = "the keys stay as they were: the file can't be used";
    await reload("keys: []", kept);
    expect(cluster.linesOf(kept)).toMatchObject([{ path, faults: [expect.stringContaining("keys")] }]);
    expect(await publishedBy(cluster)).toEqual([4, 4, 4]);

    const pid = cluster.pidOf(2);
    process.kill(pid, "SIGKILL");
    await cluster.untilReplaced(2, pid);
    expect(await publishedBy(cluster)).toEqual([4, 4, 4]);
  });
});
