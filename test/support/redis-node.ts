import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { findFreePort } from "./free-port.ts";
import { startProxy, type TcpProxy } from "./proxy.ts";
import type { ClientTls, Directive } from "./redis-access.ts";
import { LOOPBACK, type Site } from "./site.ts";
import { waitUntil } from "./wait.ts";

const START_ATTEMPTS = 5;

export interface NodePorts {
  readonly port: number;
  /** Of a cluster's nodes among themselves. */
  readonly bus: number;
  /** What others are told: the proxy's, if there is one. */
  readonly announced: number;
}

export interface NodeOptions {
  /** A folder of its own, which is made. */
  readonly folder: string;
  readonly password: string | undefined;
  readonly tls: ClientTls | undefined;
  readonly isSentinel?: boolean;
  readonly isProxied?: boolean;
  /** Where it runs. */
  readonly site?: Site;
  /** What redis.conf says, besides address and folder. */
  configure(ports: NodePorts): readonly Directive[];
}

/** A redis-server, or a sentinel, in a process of its own. */
export interface RedisNode extends NodePorts {
  /** At which others and clients reach it. */
  readonly host: string;
  /** In front of it, if it was asked for: clients, replicas and sentinels come through it, a cluster's bus does not. */
  readonly proxy: TcpProxy | undefined;
  /** For the test's own commands, as the default user, past the proxy. */
  readonly admin: Redis;
  /** Neither killed nor frozen. */
  isRunning(): boolean;
  /** `kill -9`. The data stays for `start`. */
  kill(): Promise<void>;
  /** Starts it again, on the same ports and data. */
  start(): Promise<void>;
  /** SIGSTOP: it holds its connections and answers nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** CONFIG SET, for the next start as well. */
  configure(settings: Readonly<Record<string, string>>): Promise<void>;
  /** Of the default user, here and where it signs in at others. Cuts off the clients: by itself, Redis lets them stay. */
  changePassword(password: string): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** Starts it on free ports. Resolves when it answers. */
export async function startRedisNode(options: NodeOptions): Promise<RedisNode> {
  mkdirSync(options.folder, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const node = await prepareNode(options);
    try {
      await node.start();
      return node;
    } catch (error) {
      await node.stop();
      if (attempt === START_ATTEMPTS || !/Address already in use|Failed listening/.test(String(error))) throw error;
    }
  }
}

/** Starts all of them at once, or none. */
export async function startRedisNodes(all: readonly NodeOptions[]): Promise<RedisNode[]> {
  const outcomes = await Promise.allSettled(all.map(startRedisNode));
  const nodes = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (!failure) return nodes;
  await Promise.all(nodes.map((node) => node.stop()));
  throw failure.reason;
}

async function prepareNode(options: NodeOptions): Promise<RedisNode> {
  const { folder, password, tls, isSentinel = false, isProxied = false, site = LOOPBACK } = options;
  const [port, bus] = [await findFreePort(), await findFreePort()];
  const proxy = isProxied ? await startProxy(port, site.host) : undefined;
  const ports = { port, bus, announced: proxy?.port ?? port };
  const file = join(folder, "redis.conf");
  const address: Directive[] = tls
    ? [
        ["port", "0"],
        ["tls-port", `${port}`],
      ]
    : [["port", `${port}`]];
  // No test is protected by protected mode, and without a password it turns away other hosts.
  const base: Directive[] = [["bind", ...site.binds], ["protected-mode", "no"], ["dir", folder], ...address];
  writeFileSync(file, writeDirectives([...base, ...options.configure(ports)]), { mode: 0o600 });
  const admin = createAdmin(site.control, port, password, tls);
  let child: ChildProcess | undefined;
  let isFrozen = false;
  const hasEnded = () => !child?.pid || child.exitCode !== null || child.signalCode !== null;
  const kill = async () => {
    if (!child || hasEnded()) return;
    const exit = new Promise((resolve) => child?.once("exit", resolve));
    child.kill("SIGKILL");
    await exit;
    isFrozen = false;
  };
  const start = async () => {
    if (!hasEnded()) throw new Error("it runs already");
    const log = openSync(join(folder, "log"), "w");
    const [command = "", ...words] = site.run(["redis-server", file, ...(isSentinel ? ["--sentinel"] : [])]);
    child = spawn(command, words, { cwd: folder, stdio: ["ignore", log, log] }).on("error", () => {});
    closeSync(log);
    if (admin.status === "wait") admin.connect().catch(() => {});
    await waitUntil("redis-server answers", async () => hasEnded() || (await isItself(admin, child?.pid)));
    if (hasEnded()) throw new Error(`redis-server ended: ${readFileSync(join(folder, "log"), "utf8").slice(-2000)}`);
  };
  const signal = (name: "SIGSTOP" | "SIGCONT") => {
    isFrozen = name === "SIGSTOP";
    child?.kill(name);
  };
  const configure = async (settings: Readonly<Record<string, string>>) => {
    await admin.call("CONFIG", "SET", ...Object.entries(settings).flat());
    await admin.config("REWRITE");
  };
  return {
    ...ports,
    host: site.host,
    proxy,
    admin,
    isRunning: () => !hasEnded() && !isFrozen,
    kill,
    start,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    configure,
    async changePassword(next) {
      await configure({ requirepass: next, masterauth: next });
      admin.options.password = next;
      for (const type of ["normal", "pubsub"]) await admin.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
    },
    async stop() {
      admin.disconnect();
      proxy?.close();
      await kill();
    },
  };
}

function createAdmin(host: string, port: number, password: string | undefined, tls: ClientTls | undefined): Redis {
  const admin = new Redis({
    host,
    port,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    connectTimeout: 1000,
    retryStrategy: () => 20,
    enableReadyCheck: false,
    ...(password !== undefined && { password }),
    ...(tls && { tls: { ...tls } }),
  });
  return admin.on("error", () => {});
}

/** Not another server, which had the port first; and no longer loading its data. */
async function isItself(admin: Redis, pid: number | undefined): Promise<boolean> {
  const info = await admin.info("server");
  return info.includes(`\nprocess_id:${pid}\r`) && (await admin.ping()) === "PONG";
}

function writeDirectives(directives: readonly Directive[]): string {
  return directives.map((words) => `${words.map((word) => JSON.stringify(word)).join(" ")}\n`).join("");
}
