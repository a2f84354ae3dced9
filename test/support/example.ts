import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { PassThrough } from "node:stream";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { Token } from "#gen/latchkey/v1/token_pb.ts";
import {
  InactiveReason,
  InactiveReasonSchema,
  type IntrospectResponse,
  type TokenService,
} from "#gen/latchkey/v1/token_service_pb.ts";
import { readIssuersFile } from "../../src/config/issuers-file.ts";
import { createEd25519, encode, keySetOf, signText } from "../auth/jwt-fixtures.ts";
import { createGrpcJsClient } from "./grpc-js.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { ROOT_TOKEN, startService, type TestService } from "./service.ts";

/** The `authorization` of the root. */
export const ROOT = `Bearer ${ROOT_TOKEN}`;

/** One system of examples/: a whole service that runs with the files of its folder, and clients that speak gRPC by grpc-js. */
export class Example {
  readonly #source: string;
  /** Of the system's login service. */
  readonly #loginKey = createEd25519("login-1");
  readonly #clients = new Map<string, Client<typeof TokenService> & { close(): void }>();
  #folder = "";
  #variables: Record<string, string> = {};
  #redis: RedisServer | undefined;
  #service: TestService | undefined;
  #logged = "";
  #names = 0;

  /** @param source the folder with `kinds.yaml`, and `issuers.yaml` if the system has one. */
  constructor(source: string) {
    this.#source = source;
  }

  get url(): string {
    return this.#service?.url ?? "";
  }

  /** All that the service has logged, down to `debug`. */
  get logged(): string {
    return this.#logged;
  }

  /** The server that its tokens lie in, unless they lie in SQLite. */
  get redis(): RedisServer | undefined {
    return this.#redis;
  }

  /** The system's kinds file. */
  get kindsPath(): string {
    return join(this.#source, "kinds.yaml");
  }

  /** The system's issuers file, beside public keys that the login service has made for this run. */
  get issuersPath(): string {
    return join(this.#folder, "issuers.yaml");
  }

  /** A client that calls with this `authorization`, or with these headers. Without any, it names no caller. */
  call(headers: string | Readonly<Record<string, string>> = {}): Client<typeof TokenService> {
    const named = typeof headers === "string" ? { authorization: headers } : headers;
    const key = JSON.stringify(named);
    const client =
      this.#clients.get(key) ?? createGrpcJsClient(new URL(this.url).host, credentials.createInsecure(), named);
    this.#clients.set(key, client);
    return client;
  }

  /**
   * A JWT of the login service: of the first issuer in the issuers file, for its first audience, issued now and good for five
   * minutes, unless the claims say otherwise.
   */
  signLogin(claims: Readonly<Record<string, unknown>>): string {
    const [issuer] = readIssuersFile(this.issuersPath).issuers;
    const now = Math.floor(Date.now() / 1000);
    const { jwk } = this.#loginKey;
    const head = encode({ alg: jwk.alg, kid: jwk.kid, typ: "JWT" });
    const usual = { iss: issuer?.issuer, aud: issuer?.audiences[0], iat: now, exp: now + 300 };
    return signText(this.#loginKey, `${head}.${encode({ ...usual, ...claims })}`);
  }

  /** A name that no other test on this service has used. */
  name(stem: string): string {
    return `${stem}-${++this.#names}`;
  }

  async start(store: string, variables: Record<string, string>): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), "latchkey-example-"));
    cpSync(this.#source, this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, "login-keys.json"), JSON.stringify(keySetOf(this.#loginKey)));
    if (store === "Redis") this.#redis = await startRedis();
    this.#variables = {
      LATCHKEY_KINDS: this.kindsPath,
      ...(existsSync(this.issuersPath) && { LATCHKEY_ISSUERS: this.issuersPath }),
      LATCHKEY_STORE: this.#redis?.url ?? `sqlite:${join(this.#folder, "latchkey.db")}`,
      LATCHKEY_KEYS: join(this.#folder, "keys.yaml"),
      ...variables,
    };
    await this.#serve();
  }

  /** Ends the service and starts it again, on the same data and keys. Clients from before are of no use any more. */
  async restart(): Promise<void> {
    await this.#end();
    await this.#serve();
  }

  async stop(): Promise<void> {
    await this.#end();
    await this.#redis?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #serve(): Promise<void> {
    const stream = new PassThrough().setEncoding("utf8").on("data", (text) => {
      this.#logged += text;
    });
    this.#service = await startService(this.#variables, { level: "debug", stream });
  }

  async #end(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
    await this.#service?.close();
  }
}

/**
 * Runs the tests against the system in a folder: the same ones on SQLite and on Redis.
 *
 * @param folder `import.meta.dirname` of the test.
 * @param variables further ones of the service.
 */
export function onEachStore(
  folder: string,
  define: (example: Example) => void,
  variables: Record<string, string> = {},
): void {
  describe.each(["SQLite", "Redis"])(`${basename(folder)} on %s`, (store) => {
    const example = new Example(folder);
    beforeAll(() => example.start(store, variables));
    afterAll(() => example.stop());
    define(example);
  });
}

/** Code, reason and message of a call that must fail, for example `NotFound TOKEN_NOT_FOUND: no such token`. */
export async function failureOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => expect.unreachable("the call was answered"),
    (thrown) => ConnectError.from(thrown),
  );
  const infos = error.findDetails(ErrorInfoSchema);
  expect(infos.map(({ domain }) => domain)).toEqual(["latchkey"]);
  return `${Code[error.code]} ${infos[0]?.reason}: ${error.rawMessage}`;
}

/** `ACTIVE`, or why the secret is not good. */
export async function verdictOf(call: Promise<IntrospectResponse>): Promise<string> {
  const { active, reason, token } = await call;
  expect(token !== undefined).toBe(active);
  expect(reason === InactiveReason.UNSPECIFIED).toBe(active);
  return active ? "ACTIVE" : (InactiveReasonSchema.value[reason]?.localName ?? "");
}

/** The record in an answer, which must have one. */
export function recordIn({ token }: { readonly token?: Token | undefined }): Token {
  return token ?? expect.unreachable("the answer holds no token");
}

/** How a request names a token by its secret. */
export function bySecret(value: string) {
  return { case: "secret", value } as const;
}
