import { randomUUID } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { useKinds } from "../support/kinds.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";
import { onEachStore, refusalOf } from "./world.ts";

type Root = Client<typeof TokenService>;

onEachStore((world) => {
  const owner = () => ({ tenant: world.name("tenant"), subject: "ada" });
  const get = async (id: string) => (await world.connect().get({ token: { case: "id", value: id } })).token;
  const childrenOf = async (tenant: string, parentId: string) => {
    const { tokens } = await world.connect().list({ tenant, parentId });
    return tokens.map((token) => token.id);
  };

  describe("where the connection breaks before the answer, a repeat answers what the first call has made:", () => {
    let proxy: TcpProxy;
    beforeAll(async () => {
      proxy = await startProxy(Number(new URL(world.service.url).port));
    });
    afterAll(() => proxy.close());

    /** Makes a call whose answer is lost, once it is done. */
    async function lose(call: (root: Root) => Promise<unknown>, isDone: () => Promise<boolean>): Promise<void> {
      const root = createServiceClient(`http://127.0.0.1:${proxy.port}`, ROOT_TOKEN);
      proxy.passAnswers();
      await root.list({ pageSize: 1 });
      proxy.swallowAnswers();
      const lost = expect(call(root)).rejects.toThrow();
      await expect.poll(isDone, { timeout: 10_000 }).toBe(true);
      proxy.cut();
      await lost;
    }

    test.each(["named", "ticket"])("Create of a %s", async (kind) => {
      const wish = { ...owner(), kind, label: "the label", requestId: randomUUID() };
      const made = async () => (await world.connect().list({ tenant: wish.tenant })).tokens;
      await lose(
        (root) => root.create(wish),
        async () => (await made()).length === 1,
      );
      const { token, secret } = await world.connect().create(wish);
      expect((await made()).map(({ id }) => id)).toEqual([token?.id]);
      expect(await world.judge(secret)).toBe("ACTIVE");
      expect(await world.connect().create(wish)).toMatchObject({ secret });
    });

    test.each(["service", "ticket"])("Rotate of a %s", async (kind) => {
      const { id, secret } = await world.issue({ ...owner(), kind });
      const wish = { token: { case: "id", value: id } as const, requestId: randomUUID() };
      await lose(
        (root) => root.rotate(wish),
        async () => (await get(id))?.etag === "2",
      );
      const answer = await world.connect().rotate(wish);
      expect(answer.token?.etag).toBe("2");
      expect(await world.judge(secret)).toBe("SPENT");
      expect(await world.judge(answer.secret)).toBe("ACTIVE");
    });

    test("Exchange of a link, which is used up", async () => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind: "link" });
      const wish = { secret, requestId: randomUUID() };
      await lose(
        (root) => root.exchange(wish),
        async () => (await childrenOf(tenant, id)).length === 1,
      );
      expect(await refusalOf(world.connect().exchange({ secret }))).toBe("FailedPrecondition TOKEN_NOT_ACTIVE");
      const session = await world.connect().exchange(wish);
      expect(await childrenOf(tenant, id)).toEqual([session.token?.id]);
      expect(await world.judge(session.secret)).toBe("ACTIVE");
    });

    test.each(["rotating", "strict"])("Exchange of a %s token, which is not a reuse", async (kind) => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind });
      const wish = { secret, requestId: randomUUID() };
      await lose(
        (root) => root.exchange(wish),
        async () => (await childrenOf(tenant, id)).length === 1,
      );
      const first = await world.connect().exchange(wish);
      const again = await world.connect().exchange(wish);
      expect([again.secret, again.parentSecret]).toEqual([first.secret, first.parentSecret]);
      expect(await childrenOf(tenant, id)).toEqual([first.token?.id]);
      expect(await world.judge(first.secret)).toBe("ACTIVE");
      const { parentSecret } = await world.connect().exchange({ secret: first.parentSecret });
      expect(await world.judge(parentSecret)).toBe("ACTIVE");
    });

    test("Exchange of a refresh token for a JWT", async () => {
      const { id, tenant, secret } = await world.issue({ ...owner(), kind: "refresh", scopes: ["read"] });
      const wish = { secret, requestId: randomUUID() };
      await lose(
        (root) => root.exchange(wish),
        async () => (await childrenOf(tenant, id)).length === 1,
      );
      const first = await world.connect().exchange(wish);
      expect(await world.judge(first.secret, { scopes: ["read"] })).toBe("ACTIVE");
      expect((await world.connect().exchange(wish)).secret).toBe(first.secret);
      expect((await world.connect().exchange({ secret })).secret).not.toBe(first.secret);
    });
  });

  test("without a request id, a Rotate whose answer was lost locks nobody out if the new secret waits for its first use", async () => {
    const { id, secret } = await world.issue(owner());
    const wish = { token: { case: "id", value: id } as const, activateOnFirstUse: true };
    const lost = await world.connect().rotate(wish);
    expect(await world.judge(secret)).toBe("ACTIVE");
    const { secret: next } = await world.connect().rotate(wish);
    expect(await world.judge(secret)).toBe("ACTIVE");
    expect(await world.judge(lost.secret)).toBe("SPENT");
    expect(await world.judge(next)).toBe("ACTIVE");
    expect(await world.judge(secret)).toBe("SPENT");
  });
}, useKinds());
