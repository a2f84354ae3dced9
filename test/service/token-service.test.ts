import { create, type DescMethodUnary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import { InactiveReason, TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { createTokenService, type Handlers } from "../../src/service/token-service.ts";
import { DAY, kindOf, NOW, openWorld, root, type World } from "../domain/world.ts";

type Methods = (typeof TokenService)["method"];

let world: World;
let handlers: Handlers;
beforeEach(async () => {
  world = await openWorld();
  handlers = createTokenService(world.context);
});

/** Calls a method as the pipeline does; the answer must be a message that can be sent. */
async function call<M extends keyof Methods>(
  name: M,
  request: MessageInitShape<Methods[M]["input"]>,
): Promise<MessageShape<Methods[M]["output"]>> {
  const method: DescMethodUnary = TokenService.method[name];
  const handle = handlers[name] as (...args: unknown[]) => Promise<MessageInitShape<Methods[M]["output"]>>;
  const response = create(
    method.output,
    await handle(root, create(method.input, request), new AbortController().signal),
  );
  toBinary(method.output, response);
  return response as MessageShape<Methods[M]["output"]>;
}

const owner = { tenant: "acme", subject: "ada" };

describe("the answer of", () => {
  test("Create is the token and its secret", async () => {
    const { token, secret } = await call("create", {
      ...owner,
      kind: "personal",
      label: "laptop",
      claims: { plan: "gold" },
    });
    expect(token).toMatchObject({ ...owner, label: "laptop", claims: { plan: "gold" }, etag: "1", creator: "root" });
    expect(token?.life?.seconds).toBe(BigInt((90 * DAY) / 1000));
    expect(secret).toMatch(/^lk_pat_/);
  });

  test("Create is the record of the token that is there already, where a subject has one", async () => {
    world = await openWorld(kindOf({ reuse: true }));
    handlers = createTokenService(world.context);
    const first = await call("create", { ...owner, kind: "test" });
    expect([first.existing, first.secret === ""]).toEqual([false, false]);
    const second = await call("create", { ...owner, kind: "test", label: "other" });
    expect(second).toMatchObject({ existing: true, secret: "", token: { id: first.token?.id, label: "" } });
  });

  test("List is a page of tokens and where to go on", async () => {
    await world.issue();
    await world.issue();
    const first = await call("list", { ...owner, pageSize: 1 });
    const second = await call("list", { ...owner, pageSize: 1, pageToken: first.nextPageToken });
    expect([first.tokens.length, second.tokens.length, second.nextPageToken]).toEqual([1, 1, ""]);
  });

  test("Get is the token, by id and by secret", async () => {
    const { token, secret } = await world.issue();
    const byId = await call("get", { token: { case: "id", value: token.id } });
    expect(byId.token?.id).toBe(token.id);
    expect(await call("get", { token: { case: "secret", value: secret } })).toEqual(byId);
  });

  test("Update is the changed token with its new etag", async () => {
    const { token } = await world.issue();
    const answer = await call("update", {
      token: { case: "id", value: token.id },
      label: "new",
      updateMask: { paths: ["label"] },
      etag: "1",
    });
    expect(answer.token).toMatchObject({ label: "new", etag: "2" });
  });

  test("SetActive is the switched token", async () => {
    const { token } = await world.issue();
    const answer = await call("setActive", { token: { case: "id", value: token.id }, active: false });
    expect(answer.token).toMatchObject({ active: false, status: TokenStatus.INACTIVE });
  });

  test("Delete and DeleteAll is how many are gone", async () => {
    const { token } = await world.issue();
    await world.issue();
    expect((await call("delete", { token: { case: "id", value: token.id } })).deletedCount).toBe(1n);
    expect((await call("deleteAll", owner)).deletedCount).toBe(1n);
    expect((await call("deleteAll", owner)).deletedCount).toBe(0n);
  });

  test("Introspect is the token, or why not", async () => {
    const { token, secret } = await world.issue({ scopes: ["a"] });
    const good = await call("introspect", { secret, scopes: ["a"] });
    expect(good).toMatchObject({ active: true, token: { id: token.id }, reason: InactiveReason.UNSPECIFIED });
    const bad = await call("introspect", { secret, scopes: ["b"] });
    expect(bad).toMatchObject({ active: false, reason: InactiveReason.SCOPE });
    expect(bad.token).toBeUndefined();
  });

  test("BatchIntrospect is an answer for each, in order", async () => {
    const { secret } = await world.issue({ maxUses: 1 });
    const { responses } = await call("batchIntrospect", { requests: [{ secret: "junk" }, { secret }, { secret }] });
    expect(responses.map(({ active, reason }) => [active, reason])).toEqual([
      [false, InactiveReason.MALFORMED],
      [true, InactiveReason.UNSPECIFIED],
      [false, InactiveReason.EXHAUSTED],
    ]);
  });
});

test("no answer but that of Create holds the secret", async () => {
  const { token, secret } = await world.issue();
  const id = { case: "id", value: token.id } as const;
  const answers = [
    await call("list", owner),
    await call("get", { token: { case: "secret", value: secret } }),
    await call("update", { token: { case: "id", value: token.id }, label: "x", updateMask: { paths: ["label"] } }),
    await call("introspect", { secret }),
    await call("batchIntrospect", { requests: [{ secret }] }),
    await call("setActive", { token: id, active: false }),
    await call("delete", { token: id }),
  ];
  const text = JSON.stringify(answers, (_, value) => (typeof value === "bigint" ? String(value) : value));
  expect(text).not.toContain(secret.slice("lk_pat_".length + 19));
});

test("answers show times as of the moment of the answer", async () => {
  const { token } = await world.issue({ lifetime: { type: "until", time: NOW + DAY } });
  world.pass(DAY / 2);
  const answer = await call("get", { token: { case: "id", value: token.id } });
  expect(answer.token?.remainingLife?.seconds).toBe(BigInt(DAY / 2000));
});
