import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

export interface RedisServerOptions {
  /** Of the default user. */
  readonly password?: string;
  /** A further user that may use Latchkey's keys and nothing else. */
  readonly aclUser?: { readonly name: string; readonly password: string };
  /** Serves TLS only, with a certificate for 127.0.0.1 and localhost. */
  readonly tls?: boolean;
  /** Makes it the only node of a cluster, which holds every slot. */
  readonly cluster?: boolean;
  /** Settings of redis.conf, such as `{ appendonly: "yes", appendfsync: "always" }`. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface RedisServer {
  readonly port: number;
  /** With the password, if there is one. */
  readonly url: string;
  /** PEM texts: the authority that signed the server's certificate, and a client's certificate with its key. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
  /** A client for the test's own commands, as the default user. Ends with the server. */
  readonly admin: Redis;
  /** `kill -9`. The data stays for `start`. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
  /** SIGSTOP: it holds its connections and answers nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Ends it and deletes its data. */
  stop(): Promise<void>;
}

/** Starts a Redis server of its own, on a free port and in a temporary folder. Resolves when it answers. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-redis-"));
  const port = await findFreePort();
  const tls = options.tls ? makeCertificates(folder) : undefined;
  const settings = redisArguments(folder, port, options);
  if (options.cluster) settings.push("--cluster-enabled", "yes", "--cluster-port", String(await findFreePort()));
  const admin = new Redis({
    port,
    host: "127.0.0.1",
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 20,
    ...(options.password !== undefined && { password: options.password }),
    ...(tls && { tls }),
  });
  admin.on("error", () => {});
  let child: ChildProcess;
  const start = async () => {
    child = spawn("redis-server", settings, { stdio: "ignore" });
    await waitUntilReady(admin);
  };
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exit;
  };
  const stop = async () => {
    admin.disconnect();
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const startFirst = async () => {
    await start();
    if (!options.cluster) return;
    await admin.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    await waitForAnswer(() => admin.cluster("INFO"), /cluster_state:ok/);
  };
  await startFirst().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const secret = options.password === undefined ? "" : `:${encodeURIComponent(options.password)}@`;
  return {
    port,
    url: `${tls ? "rediss" : "redis"}://${secret}127.0.0.1:${port}`,
    tls,
    admin,
    start,
    kill,
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    stop,
  };
}

function redisArguments(
  folder: string,
  port: number,
  { password, aclUser, tls, config }: RedisServerOptions,
): string[] {
  const settings: Record<string, string> = {
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    "maxmemory-policy": "noeviction",
  };
  if (tls) {
    Object.assign(settings, { port: "0", "tls-port": String(port), "tls-ca-cert-file": join(folder, "ca.crt") });
    Object.assign(settings, {
      "tls-cert-file": join(folder, "server.crt"),
      "tls-key-file": join(folder, "server.key"),
    });
  } else settings.port = String(port);
  if (password !== undefined) settings.requirepass = password;
  const lines = Object.entries({ ...settings, ...config }).flatMap(([name, value]) => [`--${name}`, value]);
  if (aclUser)
    lines.push("--user", aclUser.name, "on", `>${aclUser.password}`, "~lk:*", "&lk:*", "+@all", "-@dangerous");
  return lines;
}

async function waitUntilReady(admin: Redis): Promise<void> {
  if (admin.status === "wait") admin.connect().catch(() => {});
  await waitForAnswer(() => admin.ping(), /^PONG$/);
}

async function waitForAnswer(ask: () => Promise<unknown>, wanted: RegExp): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (true) {
    const answer = await ask().catch((error: unknown) => error);
    if (wanted.test(String(answer))) return;
    if (Date.now() > deadline) throw new Error("redis-server did not start", { cause: answer });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** An authority, and a certificate for the server that also serves as a client's. */
function makeCertificates(folder: string): { ca: string; cert: string; key: string } {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const ecKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...ecKey,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-days",
    "2",
    "-subj",
    "/CN=Latchkey test CA",
  );
  const names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  const authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", names];
  openssl(
    "req",
    "-x509",
    ...ecKey,
    ...authority,
    "-keyout",
    "server.key",
    "-out",
    "server.crt",
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
  );
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { ca: read("ca.crt"), cert: read("server.crt"), key: read("server.key") };
}
