import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { createSecureContext } from "node:tls";
import { z } from "zod";
import { ConfigError } from "./config/config-error.ts";
import { duration } from "./config/duration.ts";
import { type IssuersFile, readIssuersFile } from "./config/issuers-file.ts";
import { readKindsFile } from "./config/kinds-file.ts";
import { builtInKinds, DEFAULT_ISSUER, type Kinds, withIssuer } from "./domain/kinds.ts";
import { parseRedisUrl } from "./store/redis-location.ts";

/**
 * All that an operator decides, checked and frozen: durations are milliseconds, the files of settings are read. Plain data, so
 * that it can be sent to another process.
 */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly store: StoreConfig;
  /** Where what is made at the first start lies: beside the SQLite file, else in ./data. */
  readonly dataFolder: string;
  /** The file with the service keys. */
  readonly keysPath: string;
  readonly kinds: Kinds;
  readonly issuers: IssuersFile | undefined;
  /** Undefined: one is made at the first start. */
  readonly rootToken: string | undefined;
  /** Undefined: cleartext. */
  readonly tls: TlsConfig | undefined;
  readonly corsOrigins: readonly string[];
  readonly strict: boolean;
  readonly logLevel: string;
  /** Between "not ready" and closing the port. */
  readonly drainDelay: number;
  /** How many processes serve. */
  readonly workers: number;
}

export interface StoreConfig {
  /** `sqlite:<path>`, or what `parseRedisUrl` takes. */
  readonly location: string;
  /** Whether other processes may use it too. */
  readonly shared: boolean;
  /** For `rediss…://`, PEM. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** How many replicas must have a change before it is acknowledged, and how many milliseconds they may take. */
  readonly durability: { readonly replicas: number; readonly timeout: number };
}

/** PEM. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

const LISTEN = /^(?<host>\[[0-9a-fA-F:]+\]|[^:[\]]+):(?<port>\d{1,5})$/;
const listen = z.string().transform((text, context) => {
  const { host = "", port } = LISTEN.exec(text)?.groups ?? {};
  if (host !== "" && Number(port) <= 65535) return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  context.addIssue("must be host:port, for example 127.0.0.1:8080");
  return z.NEVER;
});

const origins = z.string().transform((text, context) => {
  const list = text.split(",").map((part) => part.trim());
  if (!list.every(isOrigin))
    context.addIssue("must be origins such as https://console.example.com with commas between, or *");
  return list;
});

const issuer = z
  .string()
  .regex(
    /^([^\p{C}\p{Z}{}]|\{tenant\}){1,512}$/u,
    "must be 1 to 512 characters without spaces, and without braces but for {tenant}",
  );

const seconds = z
  .string()
  .regex(/^\d{1,3}$/, "must be whole seconds, 0 to 999")
  .transform((text) => Number(text) * 1000);

const MAX_WORKERS = 128;

const workers = z.string().transform((text, context) => {
  if (text === "auto") return text;
  if (/^[1-9]\d{0,2}$/.test(text) && Number(text) <= MAX_WORKERS) return Number(text);
  context.addIssue(`must be a whole number, 1 to ${MAX_WORKERS}, or auto`);
  return z.NEVER;
});

const replicas = z
  .string()
  .regex(/^\d{1,2}$/, "must be a whole number, 0 to 99")
  .transform(Number);

/** Below what a Redis may be silent for, or its connection would be taken for lost. */
const MAX_WAIT = 700;
const waitTimeout = duration.refine(
  (ms) => ms >= 10 && ms <= MAX_WAIT,
  `must be a duration from 10ms to ${MAX_WAIT}ms`,
);

const pem = z.string().transform((path, context) => {
  try {
    const text = readFileSync(path, "utf8");
    if (text.includes("-----BEGIN ")) return text;
    context.addIssue("names a file that holds no PEM");
  } catch (error) {
    // The whole message would quote the path, which is the key itself where somebody mistook the one for the other.
    context.addIssue(`names a file that can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
  return z.NEVER;
});

/** The variables, as README.md documents them. One that is set to nothing counts as not set. */
const environment = z
  .strictObject(
    {
      LATCHKEY_LISTEN: listen.prefault("127.0.0.1:8080"),
      LATCHKEY_STORE: z
        .string()
        .refine(
          isStoreLocation,
          "must be sqlite:<path>, redis[s]://<host>/<db>, redis[s]+sentinel://<hosts>/<master>/<db> or redis[s]+cluster://<hosts>",
        )
        .default("sqlite:./data/latchkey.db"),
      LATCHKEY_REDIS_CA: pem.optional(),
      LATCHKEY_REDIS_CERT: pem.optional(),
      LATCHKEY_REDIS_KEY: pem.optional(),
      LATCHKEY_WAIT_REPLICAS: replicas.prefault("0"),
      LATCHKEY_WAIT_TIMEOUT: waitTimeout.prefault("500ms"),
      LATCHKEY_KEYS: z.string().optional(),
      LATCHKEY_KINDS: z.string().optional(),
      LATCHKEY_ISSUERS: z.string().optional(),
      LATCHKEY_ISSUER: issuer.default(DEFAULT_ISSUER),
      LATCHKEY_ROOT_TOKEN: z
        .string()
        .regex(/^[!-+\--~]{32,}$/, "must be 32 characters or more that a header can carry: ASCII, no space, no comma")
        .optional(),
      LATCHKEY_TLS_CERT: pem.optional(),
      LATCHKEY_TLS_KEY: pem.optional(),
      LATCHKEY_TLS_CLIENT_CA: pem.optional(),
      LATCHKEY_CORS_ORIGINS: origins.optional(),
      LATCHKEY_STRICT: z.enum(["0", "1"], "must be 0 or 1").default("0"),
      LATCHKEY_LOG: z
        .enum(["silent", "error", "warn", "info", "debug"], "must be silent, error, warn, info or debug")
        .default("info"),
      LATCHKEY_DRAIN_DELAY: seconds.prefault("0"),
      LATCHKEY_WORKERS: workers.prefault("1"),
    },
    { error: (issue) => (issue.code === "unrecognized_keys" ? "is not a variable of Latchkey" : undefined) },
  )
  .refine((env) => !env.LATCHKEY_REDIS_CERT === !env.LATCHKEY_REDIS_KEY, {
    path: ["LATCHKEY_REDIS_CERT"],
    message: "and LATCHKEY_REDIS_KEY go together",
  })
  .refine((env) => !(env.LATCHKEY_REDIS_CA || env.LATCHKEY_REDIS_CERT) || /^rediss[:+]/.test(env.LATCHKEY_STORE), {
    path: ["LATCHKEY_STORE"],
    message:
      "must be rediss://…, rediss+sentinel://… or rediss+cluster://… for LATCHKEY_REDIS_CA, _CERT and _KEY to have a meaning",
  })
  .refine((env) => !(env.LATCHKEY_WAIT_REPLICAS > 0 && env.LATCHKEY_STORE.startsWith("sqlite:")), {
    path: ["LATCHKEY_WAIT_REPLICAS"],
    message: "must be 0 where LATCHKEY_STORE is sqlite:<path>, which has no replicas",
  })
  .refine((env) => !(Number(env.LATCHKEY_WORKERS) > 1 && env.LATCHKEY_STORE.startsWith("sqlite:")), {
    path: ["LATCHKEY_WORKERS"],
    message:
      "must be 1 or auto where LATCHKEY_STORE is sqlite:<path>, which one process has for itself; Redis serves several",
  })
  .refine((env) => !env.LATCHKEY_TLS_CERT === !env.LATCHKEY_TLS_KEY, {
    path: ["LATCHKEY_TLS_CERT"],
    message: "and LATCHKEY_TLS_KEY go together",
  })
  .refine((env) => isKeyPair(env.LATCHKEY_TLS_CERT, env.LATCHKEY_TLS_KEY), {
    path: ["LATCHKEY_TLS_CERT"],
    message: "and LATCHKEY_TLS_KEY are not a certificate and its key",
  })
  .refine((env) => isKeyPair(env.LATCHKEY_REDIS_CERT, env.LATCHKEY_REDIS_KEY), {
    path: ["LATCHKEY_REDIS_CERT"],
    message: "and LATCHKEY_REDIS_KEY are not a certificate and its key",
  })
  .refine((env) => isCertificate(env.LATCHKEY_TLS_CLIENT_CA), {
    path: ["LATCHKEY_TLS_CLIENT_CA"],
    message: "names a file that holds no certificate",
  })
  .refine((env) => isCertificate(env.LATCHKEY_REDIS_CA), {
    path: ["LATCHKEY_REDIS_CA"],
    message: "names a file that holds no certificate",
  })
  .refine((env) => !env.LATCHKEY_TLS_CLIENT_CA || env.LATCHKEY_TLS_CERT, {
    path: ["LATCHKEY_TLS_CLIENT_CA"],
    message: "needs LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY",
  });

type Environment = z.output<typeof environment>;

/**
 * Reads the configuration from the variables whose names begin with LATCHKEY_.
 *
 * @throws ConfigError that lists every fault; no value is quoted, for some are secrets.
 */
export function readConfig(variables: Record<string, string | undefined>): Config {
  const named = Object.entries(variables).filter(([name, value]) => isOurs(name) && value !== "");
  const { data: env, error } = environment.safeParse(Object.fromEntries(named));
  if (!env) throw new ConfigError("the environment", error.issues.flatMap(faultsOf));
  const store = readStore(env);
  const dataFolder = store.shared ? "./data" : dirname(store.location.slice("sqlite:".length));
  return Object.freeze({
    listen: env.LATCHKEY_LISTEN,
    store,
    dataFolder,
    keysPath: env.LATCHKEY_KEYS ?? join(dataFolder, "keys.yaml"),
    kinds: withIssuer(env.LATCHKEY_KINDS ? readKindsFile(env.LATCHKEY_KINDS) : builtInKinds, env.LATCHKEY_ISSUER),
    issuers: env.LATCHKEY_ISSUERS ? readIssuersFile(env.LATCHKEY_ISSUERS) : undefined,
    rootToken: env.LATCHKEY_ROOT_TOKEN,
    tls: readTls(env),
    corsOrigins: env.LATCHKEY_CORS_ORIGINS ?? [],
    strict: env.LATCHKEY_STRICT === "1",
    logLevel: env.LATCHKEY_LOG,
    drainDelay: env.LATCHKEY_DRAIN_DELAY,
    workers: env.LATCHKEY_WORKERS === "auto" ? countWorkers(store) : env.LATCHKEY_WORKERS,
  });
}

/** Kubernetes puts variables of its own into every container beside a Service that is called `latchkey`. */
function isOurs(name: string): boolean {
  return name.startsWith("LATCHKEY_") && !/^LATCHKEY_(SERVICE|PORT)(_|$)/.test(name);
}

function readStore(env: Environment): StoreConfig {
  return {
    location: env.LATCHKEY_STORE,
    shared: !env.LATCHKEY_STORE.startsWith("sqlite:"),
    tls: {
      ...(env.LATCHKEY_REDIS_CA && { ca: env.LATCHKEY_REDIS_CA }),
      ...(env.LATCHKEY_REDIS_CERT && { cert: env.LATCHKEY_REDIS_CERT }),
      ...(env.LATCHKEY_REDIS_KEY && { key: env.LATCHKEY_REDIS_KEY }),
    },
    durability: { replicas: env.LATCHKEY_WAIT_REPLICAS, timeout: env.LATCHKEY_WAIT_TIMEOUT },
  };
}

/** As many as there are processors for them; the store may not take more than one. */
function countWorkers({ shared }: StoreConfig): number {
  return shared ? Math.min(availableParallelism(), MAX_WORKERS) : 1;
}

function readTls(env: Environment): TlsConfig | undefined {
  if (!env.LATCHKEY_TLS_CERT || !env.LATCHKEY_TLS_KEY) return undefined;
  return {
    cert: env.LATCHKEY_TLS_CERT,
    key: env.LATCHKEY_TLS_KEY,
    ...(env.LATCHKEY_TLS_CLIENT_CA && { clientCa: env.LATCHKEY_TLS_CLIENT_CA }),
  };
}

/** SQLite takes `:memory:` and `file:` for more than a path: databases that forget, or that do without the lock. */
function isStoreLocation(text: string): boolean {
  return /^sqlite:(?!:|file:)./.test(text) || (/^rediss?(\+\w+)?:\/\//.test(text) && isRedisUrl(text));
}

/** Nothing is one, too. */
function isKeyPair(cert: string | undefined, key: string | undefined): boolean {
  return !cert || !key || succeeds(() => createSecureContext({ cert, key }));
}

/** Nothing is one, too. */
function isCertificate(text: string | undefined): boolean {
  return !text || succeeds(() => new X509Certificate(text));
}

function isRedisUrl(text: string): boolean {
  return succeeds(() => parseRedisUrl(text));
}

function succeeds(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch {
    return false;
  }
}

function isOrigin(text: string): boolean {
  if (text.includes("*")) return text === "*";
  return URL.canParse(text) && new URL(text).origin === text;
}

function faultsOf(issue: z.core.$ZodIssue): string[] {
  const names = issue.code === "unrecognized_keys" ? issue.keys : [issue.path.join(".")];
  return names.map((name) => `${name} ${issue.message}`);
}
