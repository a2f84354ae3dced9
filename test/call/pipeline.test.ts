import { create, type DescMethodUnary, type MessageInitShape } from "@bufbuild/protobuf";
import { pino } from "pino";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { InactiveReason, TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import type { Call, CallRequest } from "../../src/call/call.ts";
import { createCall } from "../../src/call/pipeline.ts";
import type { Caller } from "../../src/domain/caller.ts";
import { TokenError } from "../../src/errors.ts";
import { createTokenService, type Handlers } from "../../src/service/token-service.ts";
import { ada, callerOf, openWorld, refusal, root, service, tokenOf, type World } from "../domain/world.ts";

const { method } = TokenService;
const never = new AbortController().signal;

let world: World;
let handlers: Handlers;
let lines: string[];
beforeEach(async () => {
  world = await openWorld();
  handlers = createTokenService(world.context);
  lines = [];
});

interface Wiring {
  readonly authenticate?: () => Promise<Caller>;
  readonly handlers?: Partial<Handlers>;
  readonly level?: string;
}

function wire({ authenticate = async () => root, handlers: own = {}, level = "debug" }: Wiring = {}): Call {
  const log = pino({ level }, { write: (line: string) => void lines.push(line) });
  return createCall({ authenticate, handlers: { ...handlers, ...own }, log });
}

function request<M extends DescMethodUnary>(
  method: M,
  init: MessageInitShape<M["input"]>,
  changes: Partial<CallRequest> = {},
): CallRequest {
  return {
    method,
    metadata: { values: () => [] },
    peer: { protocol: "grpc", address: "192.0.2.1" },
    message: create(method.input, init),
    signal: never,
    ...changes,
  };
}

const valid = () => request(method.list, {});
const invalid = (changes: Partial<CallRequest> = {}) => request(method.create, { kind: "" }, changes);
const logged = () => lines.map((line) => JSON.parse(line));

describe("the order of a call", () => {
  const unauthenticated = () => Promise.reject(new TokenError("CREDENTIALS_INVALID", "the credentials are not valid"));
  const untouched: Partial<Handlers> = {
    create: () => Promise.reject(new Error("the handler was reached")),
  };

  test("authenticates first: nothing is told to a stranger about permissions or its request", async () => {
    await expect(wire({ authenticate: unauthenticated })(invalid())).rejects.toMatchObject(
      refusal("CREDENTIALS_INVALID", "the credentials are not valid"),
    );
  });

  test("authorizes second: nothing is told about its request to one who may not send it", async () => {
    await expect(wire({ authenticate: async () => service })(invalid())).rejects.toMatchObject(
      refusal("PERMISSION_DENIED", "Create needs the permission latchkey:self"),
    );
  });

  test("validates third, before anything is done", async () => {
    await expect(wire({ handlers: untouched })(invalid())).rejects.toMatchObject(
      refusal("INVALID_REQUEST", "kind: must be at least 1 characters"),
    );
  });

  test("handles last, with the caller that was authenticated and the signal of the request", async () => {
    const seen: unknown[] = [];
    const list: Handlers["list"] = async (caller, message, signal) => {
      seen.push(caller, message, signal);
      return { nextPageToken: "next" };
    };
    const sent = valid();
    const answer = await wire({ authenticate: async () => ada, handlers: { list } })(sent);
    expect(seen).toEqual([ada, sent.message, sent.signal]);
    expect(answer).toEqual({ nextPageToken: "next" });
  });

  test("hands headers, peer and method to authentication", async () => {
    const sent = valid();
    const seen: unknown[] = [];
    const log = pino({ level: "silent" });
    const authenticate = async (...args: unknown[]) => {
      seen.push(...args);
      return root;
    };
    await createCall({ authenticate, handlers, log })(sent);
    expect(seen).toEqual([sent.metadata, sent.peer, "List"]);
  });

  test("answers every method of the service with fields of its own type", async () => {
    const { token, secret } = await world.issue();
    const { secret: link } = await world.issue({ kind: "link" });
    const id = { case: "id", value: token.id } as const;
    const call = wire();
    const calls = [
      request(method.create, { kind: "personal" }),
      request(method.list, {}),
      request(method.get, { token: id }),
      request(method.update, { token: { case: "id", value: token.id }, updateMask: { paths: ["label"] } }),
      request(method.setActive, { token: id, active: true }),
      request(method.introspect, { secret }),
      request(method.batchIntrospect, { requests: [{ secret }] }),
      request(method.exchange, { secret: link }),
      request(method.rotate, { token: id }),
      request(method.delete, { token: id }),
      request(method.deleteAll, {}),
    ];
    expect(calls.map(({ method }) => method.name).toSorted()).toEqual(
      TokenService.methods.map(({ name }) => name).toSorted(),
    );
    for (const sent of calls) {
      const fields = sent.method.output.members.map(({ localName }) => localName);
      expect(fields).toEqual(expect.arrayContaining(Object.keys(await call(sent))));
    }
  });

  test("asks nobody for credentials where the secret in the request is all the proof it takes", async () => {
    const { secret } = await world.issue({ kind: "link" });
    const call = wire({ authenticate: unauthenticated });
    expect(await call(request(method.exchange, { secret }))).toMatchObject({ token: { kind: "session" } });
    await expect(call(request(method.exchange, { secret: "" }))).rejects.toMatchObject(refusal("INVALID_REQUEST"));
    await expect(call(request(method.exchange, { secret: "x" }))).rejects.toMatchObject(
      refusal("TOKEN_NOT_FOUND", "no such token"),
    );
  });

  test("opens a method that has no row in the table of permissions to nobody", async () => {
    const future = { ...method.list, name: "Future", localName: "future" } as unknown as DescMethodUnary;
    await expect(wire()(request(future, {}))).rejects.toMatchObject(
      refusal("PERMISSION_DENIED", "this method is open to nobody"),
    );
  });
});

describe("an error", () => {
  test("of the rules is answered as it is", async () => {
    await expect(wire()(request(method.get, { token: { case: "id", value: "x" } }))).rejects.toMatchObject(
      refusal("TOKEN_NOT_FOUND", "no such token"),
    );
  });

  test("that is none of an answer is not one: a bad secret is told as such", async () => {
    expect(await wire()(request(method.introspect, { secret: "junk" }))).toMatchObject({
      active: false,
      reason: InactiveReason.MALFORMED,
    });
  });

  test.each([
    ["an Error", new Error("s3cret: connection to redis://:pass@host refused")],
    ["a TypeError", new TypeError("s3cret")],
    ["a text", "s3cret"],
    ["nothing", undefined],
    ["null", null],
    ["a look-alike", { reason: "TOKEN_NOT_FOUND", code: "NOT_FOUND", message: "s3cret" }],
    ["a DOMException", new DOMException("s3cret", "TimeoutError")],
  ])("that is unknown (%s) becomes INTERNAL, and nothing of it is told", async (_, thrown) => {
    for (const wiring of [
      { handlers: { list: () => Promise.reject(thrown) } },
      { authenticate: () => Promise.reject(thrown) },
    ]) {
      const error = await wire(wiring)(valid()).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(TokenError);
      expect(error).toMatchObject({ ...refusal("INTERNAL", "internal error"), violations: [], cause: thrown });
    }
  });

  test("that is thrown before there is a promise becomes INTERNAL as well", async () => {
    const list = () => {
      throw new Error("s3cret");
    };
    await expect(wire({ handlers: { list } })(valid())).rejects.toMatchObject(refusal("INTERNAL", "internal error"));
  });
});

describe("a caller that does not wait", () => {
  const hanging: Partial<Handlers> = { list: () => new Promise(() => {}) };

  test("for its deadline gets DEADLINE_EXCEEDED", async () => {
    const sent = { ...valid(), signal: AbortSignal.timeout(5) };
    await expect(wire({ handlers: hanging })(sent)).rejects.toMatchObject(
      refusal("DEADLINE_EXCEEDED", "the deadline passed before the call was done"),
    );
  });

  test("and leaves, is CANCELLED", async () => {
    const leaving = new AbortController();
    const answer = wire({ handlers: hanging })({ ...valid(), signal: leaving.signal });
    leaving.abort();
    await expect(answer).rejects.toMatchObject(refusal("CANCELLED", "the caller left before the call was done"));
  });

  test("and says why with an error of Latchkey, gets that", async () => {
    const reason = new TokenError("SHUTTING_DOWN", "the server is shutting down");
    await expect(wire()({ ...valid(), signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test("is waited for no longer during authentication either", async () => {
    const authenticate = () => new Promise<Caller>(() => {});
    await expect(wire({ authenticate })({ ...valid(), signal: AbortSignal.timeout(5) })).rejects.toMatchObject(
      refusal("DEADLINE_EXCEEDED"),
    );
  });

  test("and was gone before the work began, has nothing done in its name", async () => {
    const sent = request(
      method.create,
      { tenant: "acme", subject: "ada", kind: "personal" },
      { signal: AbortSignal.abort() },
    );
    await expect(wire()(sent)).rejects.toMatchObject(refusal("CANCELLED"));
    await wire()(valid());
    expect(await world.context.store.page({ tenant: "acme", limit: 10 })).toEqual([]);
  });

  test("leaves no listener behind, whether it waited or not", async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const counting = new Proxy(signal, {
      get(target, name) {
        if (name === "addEventListener") return () => void listeners++;
        if (name === "removeEventListener") return () => void listeners--;
        return Reflect.get(target, name, target);
      },
    });
    await wire()({ ...valid(), signal: counting });
    await wire()(invalid({ signal: counting })).catch(() => {});
    await expect.poll(() => listeners).toBe(0);
  });
});

describe("a line of the log", () => {
  test("tells what was called, by whom, and how it ended", async () => {
    const caller = callerOf({ credential: "token", token: tokenOf({ id: "abcABCDEFGHIJKLMNOP" }) });
    await wire({ authenticate: async () => caller })(valid());
    expect(logged()).toEqual([
      {
        level: 20,
        time: expect.any(Number),
        pid: expect.any(Number),
        hostname: expect.any(String),
        method: "List",
        protocol: "grpc",
        address: "192.0.2.1",
        tenant: "acme",
        subject: "ada",
        credential: "token",
        tokenId: "abcABCDEFGHIJKLMNOP",
        code: "OK",
        ms: expect.any(Number),
        msg: "call",
      },
    ]);
  });

  test.each([
    ["debug, for a success", undefined, 20, "OK"],
    ["info, for an error of the caller", new TokenError("TOKEN_NOT_FOUND", "no such token"), 30, "NOT_FOUND"],
    ["error, for a store that is lost", new TokenError("STORE_UNAVAILABLE", "lost"), 50, "UNAVAILABLE"],
    ["error, for a fault of Latchkey", new Error("fault"), 50, "INTERNAL"],
  ])("is %s", async (_, thrown, level, code) => {
    const list: Handlers["list"] = async () => {
      if (thrown) throw thrown;
      return {};
    };
    await wire({ handlers: { list } })(valid()).catch(() => {});
    expect(logged()).toMatchObject([{ level, code }]);
  });

  test("is one in ten seconds for all calls that a lost store fails, and counts the others", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const lost = new TokenError("STORE_UNAVAILABLE", "lost");
    const call = wire({ level: "info", handlers: { list: () => Promise.reject(lost) } });
    for (let count = 0; count < 50; count++) await call(valid()).catch(() => {});
    vi.advanceTimersByTime(10_000);
    for (let count = 0; count < 50; count++) await call(valid()).catch(() => {});
    expect(logged()).toMatchObject([{ level: 50 }, { level: 50, untold: 49 }]);
    expect(logged()[0]).not.toHaveProperty("untold");
  });

  test("names no caller where there was none", async () => {
    await wire({ authenticate: () => Promise.reject(new TokenError("CREDENTIALS_MISSING", "none")) })(valid()).catch(
      () => {},
    );
    expect(logged()).toMatchObject([{ code: "UNAUTHENTICATED", reason: "CREDENTIALS_MISSING" }]);
    expect(logged()[0]).not.toHaveProperty("subject");
  });

  test("tells where a fault came from, without its message and what clients hang on their errors", async () => {
    const fault = Object.assign(new Error("no such key: s3cret"), { command: { args: ["AUTH", "s3cret"] } });
    await wire({ handlers: { list: () => Promise.reject(fault) } })(valid()).catch(() => {});
    expect(logged()[0].cause).toMatch(/^Error\n +at .*pipeline\.test\.ts/s);
    expect(lines.join()).not.toContain("s3cret");
  });

  test("is not written below the level of the log", async () => {
    await wire({ level: "info" })(valid());
    await wire({ level: "error" })(request(method.get, { token: { case: "id", value: "x" } })).catch(() => {});
    expect(lines).toEqual([]);
  });

  test("never holds anything of a message or a header, whatever became of the call", async () => {
    const call = wire();
    const label = "content-of-a-message";
    const metadata = { values: () => ["Bearer content-of-a-header"] };
    const answer = (await call(
      request(method.create, { kind: "personal", label, claims: { label } }, { metadata }),
    )) as unknown as { secret: string };
    const { secret } = answer;
    await call(request(method.introspect, { secret, scopes: [label] }, { metadata }));
    await call(request(method.introspect, { secret: label }, { metadata }));
    await call(request(method.get, { token: { case: "secret", value: `${secret}x` } }, { metadata })).catch(() => {});
    await call(request(method.get, { token: { case: "secret", value: secret.repeat(200) } }, { metadata })).catch(
      () => {},
    );
    await call(request(method.create, { kind: label }, { metadata })).catch(() => {});
    await call(request(method.create, { kind: "personal", label: `${label}\n` }, { metadata })).catch(() => {});
    expect(lines).toHaveLength(7);
    for (const content of [secret, secret.slice(-38), label, "content-of-a-header"]) {
      expect(lines.join("")).not.toContain(content);
    }
  });
});
