import { availableParallelism } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { builtInKinds, withIssuer } from "../../src/domain/kinds.ts";
import { createAuthority } from "../support/tls.ts";
import { errorOf, makeFolder, writeFixture } from "./folder.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const pem = (text = PEM) => writeFixture("file.pem", text);

const authority = createAuthority();

describe("without any variable", () => {
  test("the service listens on this machine only, with SQLite and cleartext", () => {
    expect(readConfig({})).toEqual({
      listen: { host: "127.0.0.1", port: 8080 },
      store: {
        location: "sqlite:./data/latchkey.db",
        shared: false,
        tls: {},
        durability: { replicas: 0, timeout: 500 },
      },
      dataFolder: "./data",
      keysPath: "data/keys.yaml",
      kinds: withIssuer(builtInKinds, "latchkey"),
      issuers: undefined,
      rootToken: undefined,
      tls: undefined,
      corsOrigins: [],
      strict: false,
      logLevel: "info",
      drainDelay: 0,
      workers: 1,
    });
  });

  test("or with all of them set to nothing, it is the same", () => {
    expect(readConfig({ LATCHKEY_LISTEN: "", LATCHKEY_ROOT_TOKEN: "", LATCHKEY_TLS_CERT: "" })).toEqual(readConfig({}));
  });

  test("what others set does not matter", () => {
    expect(readConfig({ PATH: "/bin", latchkey_listen: "x", MY_LATCHKEY_LOG: "x" })).toEqual(readConfig({}));
  });
});

describe("a variable is read", () => {
  test.each([
    ["LATCHKEY_LISTEN", "0.0.0.0:80", { listen: { host: "0.0.0.0", port: 80 } }],
    ["LATCHKEY_LISTEN", "localhost:0", { listen: { host: "localhost", port: 0 } }],
    ["LATCHKEY_LISTEN", "[::1]:65535", { listen: { host: "::1", port: 65535 } }],
    ["LATCHKEY_STORE", "sqlite:/var/lib/x.db", { dataFolder: "/var/lib", keysPath: "/var/lib/keys.yaml" }],
    [
      "LATCHKEY_STORE",
      "redis://h:6379/1",
      { dataFolder: "./data", store: { location: "redis://h:6379/1", shared: true, tls: {} } },
    ],
    ["LATCHKEY_STORE", "rediss://u:p@h", { store: { location: "rediss://u:p@h", shared: true, tls: {} } }],
    [
      "LATCHKEY_STORE",
      "rediss+cluster://h1,h2",
      { store: { location: "rediss+cluster://h1,h2", shared: true, tls: {} } },
    ],
    [
      "LATCHKEY_STORE",
      "redis+sentinel://h1/m",
      { store: { location: "redis+sentinel://h1/m", shared: true, tls: {} } },
    ],
    ["LATCHKEY_KEYS", "/etc/keys.yaml", { keysPath: "/etc/keys.yaml", dataFolder: "./data" }],
    ["LATCHKEY_ROOT_TOKEN", "x".repeat(32), { rootToken: "x".repeat(32) }],
    ["LATCHKEY_CORS_ORIGINS", "https://a.example", { corsOrigins: ["https://a.example"] }],
    [
      "LATCHKEY_CORS_ORIGINS",
      "https://a.example:8443 , http://localhost:3000",
      { corsOrigins: ["https://a.example:8443", "http://localhost:3000"] },
    ],
    ["LATCHKEY_CORS_ORIGINS", "*", { corsOrigins: ["*"] }],
    ["LATCHKEY_STRICT", "1", { strict: true }],
    ["LATCHKEY_STRICT", "0", { strict: false }],
    ["LATCHKEY_LOG", "silent", { logLevel: "silent" }],
    ["LATCHKEY_LOG", "debug", { logLevel: "debug" }],
    ["LATCHKEY_DRAIN_DELAY", "5", { drainDelay: 5000 }],
    ["LATCHKEY_DRAIN_DELAY", "999", { drainDelay: 999_000 }],
    ["LATCHKEY_WORKERS", "1", { workers: 1 }],
    ["LATCHKEY_WORKERS", "auto", { workers: 1 }],
  ])("%s=%s", (name, value, expected) => {
    expect(readConfig({ [name]: value })).toMatchObject(expected);
  });

  test("LATCHKEY_WORKERS as so many processes on Redis, and auto as one for each processor", () => {
    const workersOn = (store: string, workers: string) =>
      readConfig({ LATCHKEY_STORE: store, LATCHKEY_WORKERS: workers }).workers;
    expect(workersOn("redis://h", "2")).toBe(2);
    expect(workersOn("rediss://h", "128")).toBe(128);
    expect(workersOn("redis://h", "auto")).toBe(Math.min(availableParallelism(), 128));
  });

  test("LATCHKEY_WAIT_REPLICAS and LATCHKEY_WAIT_TIMEOUT as what an acknowledgement takes", () => {
    const variables = { LATCHKEY_STORE: "redis://h", LATCHKEY_WAIT_REPLICAS: "2", LATCHKEY_WAIT_TIMEOUT: "0.2 s" };
    expect(readConfig(variables).store.durability).toEqual({ replicas: 2, timeout: 200 });
  });

  test("LATCHKEY_WAIT_REPLICAS refuses SQLite, which has none", () => {
    expect(errorOf(() => readConfig({ LATCHKEY_WAIT_REPLICAS: "1" })).faults).toEqual([
      "LATCHKEY_WAIT_REPLICAS must be 0 where LATCHKEY_STORE is sqlite:<path>, which has no replicas",
    ]);
  });

  test.each([
    ["LATCHKEY_WAIT_REPLICAS", ["-1", "all", "100", "1.5"], "must be a whole number, 0 to 99"],
    ["LATCHKEY_WAIT_TIMEOUT", ["9ms", "701ms", "1 month"], "must be a duration from 10ms to 700ms"],
  ])("%s refuses %j", (name, texts, message) => {
    for (const text of texts) {
      const faults = errorOf(() => readConfig({ LATCHKEY_STORE: "redis://h", [name]: text })).faults;
      expect([text, faults]).toEqual([text, [`${name} ${message}`]]);
    }
  });

  test("LATCHKEY_WORKERS refuses more than one process on SQLite", () => {
    for (const store of ["", "sqlite:x.db"]) {
      expect(errorOf(() => readConfig({ LATCHKEY_STORE: store, LATCHKEY_WORKERS: "2" })).faults).toEqual([
        "LATCHKEY_WORKERS must be 1 or auto where LATCHKEY_STORE is sqlite:<path>, which one process has for itself; Redis serves several",
      ]);
    }
  });

  test("LATCHKEY_TLS_* and LATCHKEY_REDIS_* as the contents of their files", () => {
    const [server, client] = [authority.issueServer(), authority.issueClient("latchkey")];
    const tls = {
      LATCHKEY_TLS_CERT: pem(server.cert),
      LATCHKEY_TLS_KEY: pem(server.key),
      LATCHKEY_TLS_CLIENT_CA: pem(authority.cert),
    };
    expect(readConfig(tls).tls).toEqual({ ...server, clientCa: authority.cert });
    const redis = {
      LATCHKEY_REDIS_CA: pem(authority.cert),
      LATCHKEY_REDIS_CERT: pem(client.cert),
      LATCHKEY_REDIS_KEY: pem(client.key),
    };
    expect(readConfig({ ...redis, LATCHKEY_STORE: "rediss://h" }).store.tls).toEqual({ ca: authority.cert, ...client });
  });

  test("a certificate that is not that of its key, or no certificate, refuses to start", () => {
    const [one, other] = [authority.issueServer(), authority.issueServer()];
    const broken = pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
    const faultsOf = (variables: Record<string, string>) => errorOf(() => readConfig(variables)).faults;
    const swapped = { LATCHKEY_TLS_CERT: pem(one.cert), LATCHKEY_TLS_KEY: pem(other.key) };
    expect(faultsOf(swapped)).toEqual(["LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY are not a certificate and its key"]);
    const good = { LATCHKEY_TLS_CERT: pem(one.cert), LATCHKEY_TLS_KEY: pem(one.key) };
    expect(faultsOf({ ...good, LATCHKEY_TLS_CLIENT_CA: broken })).toEqual([
      "LATCHKEY_TLS_CLIENT_CA names a file that holds no certificate",
    ]);
    expect(faultsOf({ LATCHKEY_STORE: "rediss://h", LATCHKEY_REDIS_CA: broken })).toEqual([
      "LATCHKEY_REDIS_CA names a file that holds no certificate",
    ]);
  });

  test("LATCHKEY_KINDS and LATCHKEY_ISSUERS as what their files say", () => {
    const kinds = writeFixture("kinds.yaml", "kinds: [{name: a, prefix: aa}]");
    expect([...readConfig({ LATCHKEY_KINDS: kinds }).kinds.keys()]).toEqual(["a"]);
    const broken = writeFixture("issuers.yaml", "issuers: 7");
    expect(errorOf(() => readConfig({ LATCHKEY_ISSUERS: broken })).faults[0]).toContain("issuers.yaml:1: issuers");
  });
});

describe("LATCHKEY_ISSUER", () => {
  const issuersIn = (variables: Record<string, string>) =>
    Object.fromEntries([...readConfig(variables).kinds.values()].map(({ name, jwt }) => [name, jwt.issuer]));

  test("is the iss of all kinds that have none of their own", () => {
    expect(issuersIn({}).access).toBe("latchkey");
    expect(issuersIn({ LATCHKEY_ISSUER: "https://{tenant}.example" }).access).toBe("https://{tenant}.example");
    const kinds = writeFixture("kinds.yaml", "kinds: [{name: a, prefix: aa}]");
    expect(issuersIn({ LATCHKEY_KINDS: kinds, LATCHKEY_ISSUER: "tokens" })).toEqual({ a: "tokens" });
  });
});

describe("a bad value refuses to start, with one line that says what is wrong and does not repeat it", () => {
  const store =
    "LATCHKEY_STORE must be sqlite:<path>, redis[s]://<host>/<db>, redis[s]+sentinel://<hosts>/<master>/<db> or redis[s]+cluster://<hosts>";
  const listen = "LATCHKEY_LISTEN must be host:port, for example 127.0.0.1:8080";
  const origins = "LATCHKEY_CORS_ORIGINS must be origins such as https://console.example.com with commas between, or *";
  const rootToken =
    "LATCHKEY_ROOT_TOKEN must be 32 characters or more that a header can carry: ASCII, no space, no comma";
  const logLevel = "LATCHKEY_LOG must be silent, error, warn, info or debug";
  const issuer = "LATCHKEY_ISSUER must be 1 to 512 characters without spaces, and without braces but for {tenant}";
  const delay = "LATCHKEY_DRAIN_DELAY must be whole seconds, 0 to 999";

  const workers = "LATCHKEY_WORKERS must be a whole number, 1 to 128, or auto";

  test.each([
    ...[
      "8080",
      ":8080",
      "127.0.0.1",
      "127.0.0.1:",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      "127.0.0.1:8080 ",
      "::1:8080",
      "[::1]",
      "a:b",
      "http://127.0.0.1:8080",
    ].map((value) => [listen, value]),
    ...[
      "sqlite:",
      "sqlite::memory:",
      "sqlite:file:x?mode=memory",
      "redis://:p#ss@h",
      "data.db",
      "redis:h",
      "redis://",
      "http://h",
      "SQLITE:x",
      "postgres://h",
      " redis://h",
      "redis+cluster:h",
      "redis+cluster://h/1",
      "redis+sentinel://h",
      "redis+ring://h",
    ].map((value) => [store, value]),
    ...[
      "a.example",
      "https://a.example/",
      "https://a.example/path",
      "https://a.example,",
      "null",
      "https://*.example",
      "HTTPS://a.example",
      "https://a.example https://b.example",
    ].map((value) => [origins, value]),
    ...[
      "x",
      "x".repeat(31),
      `${"x".repeat(40)} `,
      `${"x".repeat(20)} ${"x".repeat(20)}`,
      "ü".repeat(40),
      `${"x".repeat(40)}\n`,
      `${"x".repeat(40)},y`,
    ].map((value) => [rootToken, value]),
    ...["2", "true", "yes", " 1"].map((value) => ["LATCHKEY_STRICT must be 0 or 1", value]),
    ...["trace", "INFO", "verbose", "10"].map((value) => [logLevel, value]),
    ...["a b", "a\tb", "\0", "{", "{id}", "https://{tenant.example", "x".repeat(513)].map((value) => [issuer, value]),
    ...["0", "-1", "01", "1.5", "129", "1000", "2 ", "1e1", "AUTO", "all"].map((value) => [workers, value]),
    ...["-1", "1.5", "1000", "5s", "1e2", " 1"].map((value) => [delay, value]),
    ...[
      "LATCHKEY_TLS_CERT",
      "LATCHKEY_TLS_KEY",
      "LATCHKEY_TLS_CLIENT_CA",
      "LATCHKEY_REDIS_CA",
      "LATCHKEY_REDIS_CERT",
      "LATCHKEY_REDIS_KEY",
    ].flatMap((name) => [
      [`${name} names a file that can't be read (ENOENT)`, "/nowhere/at.all"],
      [`${name} names a file that can't be read (EISDIR)`, "/"],
    ]),
    ...["LATCHKEY_ROOTTOKEN", "LATCHKEY_", "LATCHKEY_PORTS", "LATCHKEY_constructor"].map((name) => [
      `${name} is not a variable of Latchkey`,
      "q".repeat(40),
    ]),
  ] as [string, string][])("%s: %j", (fault, value) => {
    const name = fault.split(" ", 1)[0] ?? "";
    expect(errorOf(() => readConfig({ [name]: value })).faults).toEqual([fault]);
  });

  test("what Kubernetes sets beside a Service called latchkey is none of it", () => {
    const names = [
      "LATCHKEY_SERVICE_HOST",
      "LATCHKEY_SERVICE_PORT_GRPC",
      "LATCHKEY_PORT",
      "LATCHKEY_PORT_8080_TCP_ADDR",
    ];
    expect(readConfig(Object.fromEntries(names.map((name) => [name, "10.0.0.1"])))).toEqual(readConfig({}));
  });

  test.each(["", "not a certificate", "BEGIN CERTIFICATE"])(
    "LATCHKEY_TLS_CERT: a file that holds no PEM: %j",
    (text) => {
      const variables = { LATCHKEY_TLS_CERT: pem(text), LATCHKEY_TLS_KEY: pem(text) };
      expect(errorOf(() => readConfig(variables)).faults).toEqual([
        "LATCHKEY_TLS_CERT names a file that holds no PEM",
        "LATCHKEY_TLS_KEY names a file that holds no PEM",
      ]);
    },
  );
});

describe("variables that have no meaning by themselves refuse to start", () => {
  test.each<[string, string[], string]>([
    ["a certificate without its key", ["LATCHKEY_TLS_CERT"], "LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY go together"],
    ["a key without its certificate", ["LATCHKEY_TLS_KEY"], "LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY go together"],
    [
      "a CA for clients in cleartext",
      ["LATCHKEY_TLS_CLIENT_CA"],
      "LATCHKEY_TLS_CLIENT_CA needs LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY",
    ],
    [
      "a CA for Redis in cleartext",
      ["LATCHKEY_REDIS_CA"],
      "LATCHKEY_STORE must be rediss://…, rediss+sentinel://… or rediss+cluster://… for LATCHKEY_REDIS_CA, _CERT and _KEY to have a meaning",
    ],
    [
      "a key for Redis without its certificate",
      ["LATCHKEY_REDIS_KEY"],
      "LATCHKEY_REDIS_CERT and LATCHKEY_REDIS_KEY go together",
    ],
  ])("%s", (_, names, fault) => {
    const variables = Object.fromEntries(names.map((name) => [name, pem(name.includes("CA") ? authority.cert : PEM)]));
    expect(errorOf(() => readConfig({ ...variables, LATCHKEY_STORE: "redis://h" })).faults).toEqual([fault]);
  });
});

describe("the refusal", () => {
  const variables = {
    LATCHKEY_LISTEN: "x",
    LATCHKEY_STORE: "x",
    LATCHKEY_LOG: "x",
    LATCHKEY_TYPO: "x",
    LATCHKEY_OTHER: "x",
    LATCHKEY_ROOT_TOKEN: "s3cret",
  };

  test("lists every fault at once, under where they stand", () => {
    const { faults, message, name } = errorOf(() => readConfig(variables));
    expect(name).toBe("ConfigError");
    expect(faults.map((fault) => fault.split(" ", 1)[0]).toSorted()).toEqual(Object.keys(variables).toSorted());
    expect(message).toBe(
      ["wrong configuration in the environment:", ...faults.map((fault) => `  ${fault}`)].join("\n"),
    );
  });

  test("never quotes a value, a secret in a wrong place least of all", () => {
    const s3cret = "s3cret";
    const names = Object.keys(variables).concat("LATCHKEY_CORS_ORIGINS", "LATCHKEY_STRICT", "LATCHKEY_DRAIN_DELAY");
    const key = `-----BEGIN PRIVATE KEY-----\n${s3cret.repeat(50)}\n-----END PRIVATE KEY-----`;
    const pems = { LATCHKEY_TLS_CERT: key, LATCHKEY_TLS_KEY: key, LATCHKEY_REDIS_KEY: s3cret };
    const values = { ...Object.fromEntries(names.map((name) => [name, s3cret])), ...pems };
    const error = errorOf(() => readConfig(values));
    expect(error.faults).toHaveLength(12);
    expect(`${error.message}\n${error.stack}\n${JSON.stringify(error)}`).not.toContain(s3cret);
  });
});

test("the configuration can't be changed afterwards", () => {
  const config = readConfig({});
  expect(Object.isFrozen(config)).toBe(true);
  expect(() => Object.assign(config, { strict: true })).toThrow(TypeError);
});

test("a folder for data is that of the SQLite file, wherever it is", () => {
  const folder = makeFolder();
  const { dataFolder, keysPath } = readConfig({ LATCHKEY_STORE: `sqlite:${join(folder, "sub", "x.db")}` });
  expect([dataFolder, keysPath]).toEqual([join(folder, "sub"), join(folder, "sub", "keys.yaml")]);
});
