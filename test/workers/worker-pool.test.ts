import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { countContradictions, Traffic } from "../restart/traffic.ts";
import { ROOT_TOKEN } from "../support/service.ts";
import { Cluster, isAlive } from "./cluster.ts";

const kill = (pid: number, signal = "SIGKILL") => process.kill(pid, signal);

/** Introspects on connections of its own, of which each worker has as many, one call after the other. */
class Bystanders {
  readonly #secret: string;
  readonly #seen: Promise<{ answered: number; failed: number }>[];
  #isOver = false;

  private constructor(secret: string, clients: ReturnType<Cluster["clients"]>) {
    this.#secret = secret;
    this.#seen = clients.map((client) => this.#watch(client));
  }

  static async connect(cluster: Cluster, each: number, workers: number): Promise<Bystanders> {
    const clients = cluster.clients(each, workers);
    for (const client of clients) await client.list({});
    const { secret } = await cluster.client().create({ kind: "service", subject: "ada" });
    return new Bystanders(secret, clients);
  }

  /** How many calls each connection has had, and how many of them failed. */
  stop() {
    this.#isOver = true;
    return Promise.all(this.#seen);
  }

  async #watch(client: ReturnType<Cluster["client"]>) {
    const seen = { answered: 0, failed: 0 };
    for (; !this.#isOver; seen.answered++) await client.introspect({ secret: this.#secret }).catch(() => seen.failed++);
    return seen;
  }
}

test("a worker that is killed under load is replaced, and those of the others don't notice", {
  timeout: 60_000,
}, async () => {
  const cluster = await Cluster.start({ LATCHKEY_LOG: "info" });
  const bystanders = await Bystanders.connect(cluster, 2, 2);
  const traffic = new Traffic(cluster.url, ROOT_TOKEN, { clients: 8, calls: Number.POSITIVE_INFINITY });
  const replace = async (worker: number) => {
    const goal = traffic.answered + 100;
    await cluster.until(() => expect(traffic.answered).toBeGreaterThan(goal));
    const pid = cluster.pidOf(worker);
    kill(pid);
    await cluster.untilReplaced(worker, pid);
  };

  await replace(1);
  const seen = await bystanders.stop();
  expect(seen.filter(({ failed }) => failed === 0)).toHaveLength(2);
  for (const { answered } of seen) expect(answered).toBeGreaterThan(10);
  await replace(2);
  await replace(1);
  await traffic.stop();
  expect(traffic.surprises).toEqual([]);
  expect(await countContradictions(cluster.url, ROOT_TOKEN, traffic.acknowledged)).toEqual({ lost: 0, revived: 0 });
  expect(cluster.linesOf("a worker has ended: another one takes its place")).toMatchObject([
    { level: 50, number: 1, why: "SIGKILL", pause: 0 },
    { level: 50, number: 2, why: "SIGKILL", pause: 0 },
    { level: 50, number: 1, why: "SIGKILL" },
  ]);
});

test("all workers killed at once come again on the port that was taken as any free one", async () => {
  const cluster = await Cluster.start({ LATCHKEY_WORKERS: "3" });
  const before = cluster.pids();
  for (const pid of before.values()) kill(pid);
  for (const [worker, pid] of before) await cluster.untilReplaced(worker, pid);
  for (const { url } of cluster.linesOf("serving")) expect(url).toBe(cluster.url);
  for (const client of cluster.clients(1, 3)) await client.list({});
});

test("a worker that can't start again is tried anew at longer and longer intervals, and serves once it can", async () => {
  const cluster = await Cluster.start();
  await cluster.redis.kill();
  const pid = cluster.pidOf(1);
  kill(pid);
  const ends = () => cluster.linesOf("a worker has ended: another one takes its place");
  await cluster.until(() => expect(ends().length).toBeGreaterThan(3));
  const [first, ...others] = ends();
  expect(first).toMatchObject({ number: 1, why: "SIGKILL", pause: 0 });
  for (const [index, line] of others.entries()) {
    const why = expect.stringMatching(/^the Redis store failed: Redis at 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    expect(line).toMatchObject({ number: 1, why, pause: 100 * 2 ** index });
  }
  await cluster.redis.start();
  await cluster.untilReplaced(1, pid);
  for (const client of cluster.clients(2, 2)) await client.list({});
});

test("a worker that does not end is killed, and the service ends all the same", async () => {
  const cluster = await Cluster.start();
  const pid = cluster.pidOf(1);
  kill(pid, "SIGSTOP");
  cluster.process.child.kill("SIGTERM");
  expect(await cluster.process.exit).toBe(0);
  expect(cluster.linesOf("a worker did not end in time: killed")).toMatchObject([{ number: 1, workerPid: pid }]);
  expect(isAlive(pid)).toBe(false);
});

test("workers say nothing of the secrets that they are given", async () => {
  const cluster = await Cluster.start();
  const { secret } = await cluster.client().create({ kind: "service", subject: "ada" });
  kill(cluster.pidOf(2));
  cluster.process.child.kill("SIGTERM");
  expect(await cluster.process.exit).toBe(0);
  const [, key] = /secret: (\S+)/.exec(readFileSync(`${cluster.folder}/data/keys.yaml`, "utf8")) ?? [];
  for (const hidden of [ROOT_TOKEN, secret, key as string]) {
    expect(cluster.process.stdout() + cluster.process.stderr()).not.toContain(hidden);
  }
});
