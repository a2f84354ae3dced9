import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { Token } from "#gen/latchkey/v1/token_pb.ts";
import {
  type CreateRequestSchema,
  InactiveReason,
  type IntrospectRequestSchema,
  type TokenService,
} from "#gen/latchkey/v1/token_service_pb.ts";
import type { Surroundings } from "../../src/app.ts";
import { nameFailure, verdictOf } from "../support/answers.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { ROOT_TOKEN, startService, type TestService } from "../support/service.ts";

export type Wish = Omit<MessageInitShape<typeof CreateRequestSchema>, "$typeName">;

export type Question = Omit<MessageInitShape<typeof IntrospectRequestSchema>, "$typeName" | "secret">;

/** An answer in Connect's JSON, as it came. */
export interface RawAnswer {
  readonly status: number;
  /** Without `date`, which is the only one that depends on the moment. */
  readonly headers: Record<string, string>;
  readonly text: string;
}

/** A whole service on one of the stores, for the tests of one describe block. */
export class World {
  service!: TestService;
  redis: RedisServer | undefined;
  #root: Client<typeof TokenService> | undefined;
  #names = 0;

  /** The root's client, or that of whoever has the secret. */
  connect(secret = ROOT_TOKEN) {
    if (secret !== ROOT_TOKEN) return this.service.client(secret);
    this.#root ??= this.service.client();
    return this.#root;
  }

  /** `ACTIVE`, or why the secret is not good. Asked by the root unless another caller is named. */
  async judge(secret: string, question: Question = {}, caller = ROOT_TOKEN): Promise<string> {
    const { active, reason, token } = await this.connect(caller).introspect({ secret, ...question });
    expect(token !== undefined).toBe(active);
    expect(reason === InactiveReason.UNSPECIFIED).toBe(active);
    return verdictOf({ active, reason });
  }

  /** A name that no test has used. */
  name(stem: string): string {
    return `${stem}-${++this.#names}`;
  }

  /** A new token, made by the root. */
  async issue(wish: Partial<Wish>): Promise<Token & { readonly secret: string }> {
    const { token, secret } = await this.connect().create({ kind: "service", ...wish });
    return { ...(token as Token), secret };
  }

  /** One call over HTTP/1.1, byte by byte as the test wants it. */
  async post(method: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
    const response = await fetch(`${this.service.url}/latchkey.v1.TokenService/${method}`, {
      method: "POST",
      body,
      headers: {
        authorization: `Bearer ${ROOT_TOKEN}`,
        "content-type": typeof body === "string" ? "application/json" : "application/proto",
        ...headers,
      },
    });
    const answered = Object.fromEntries(response.headers);
    delete answered.date;
    return { status: response.status, headers: answered, text: await response.text() } satisfies RawAnswer;
  }

  /** Still serves, and serves right. */
  async expectServing(): Promise<void> {
    const { secret } = await this.issue({ subject: "still-there" });
    expect(await this.judge(secret)).toBe("ACTIVE");
  }
}

type Define = (world: World) => void;
type Variables = () => Record<string, string>;

/** Runs the tests against a service on SQLite: for what no store has a part in. */
export function onSqlite(define: Define, variables: Variables = () => ({})): void {
  onStores(["SQLite"], define, variables);
}

/** Runs the same tests against a service on SQLite and against one on Redis. */
export function onEachStore(
  define: Define,
  variables: Variables = () => ({}),
  surroundings: Partial<Surroundings> = {},
): void {
  onStores(["SQLite", "Redis"], define, variables, surroundings);
}

function onStores(
  stores: readonly string[],
  define: Define,
  variables: Variables,
  surroundings: Partial<Surroundings> = {},
): void {
  describe.each(stores)("on %s", (store) => {
    const world = new World();
    beforeAll(async () => {
      if (store === "Redis") world.redis = await startRedis();
      const location = world.redis && { LATCHKEY_STORE: world.redis.url };
      world.service = await startService({ ...variables(), ...location }, undefined, surroundings);
    });
    afterAll(async () => {
      await world.service.close();
      await world.redis?.stop();
    });
    define(world);
  });
}

/** Code and reason of a call that must fail, for example `NotFound TOKEN_NOT_FOUND`. */
export async function refusalOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => expect.unreachable("the call was answered"),
    (thrown) => ConnectError.from(thrown),
  );
  expect(error.findDetails(ErrorInfoSchema).map((info) => info.domain)).toEqual(["latchkey"]);
  return nameFailure(error);
}

/** `ok`, or code and reason of a call that may fail. */
export function outcomeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "ok",
    () => refusalOf(call),
  );
}

/** Code and reason of an answer in Connect's JSON that must be a refusal. */
export function refusalIn({ status, text }: RawAnswer): string {
  if (status === 200) expect.unreachable(`the call was answered: ${text}`);
  const { code, details } = JSON.parse(text);
  return `${code} ${details?.[0]?.debug?.reason}`;
}
