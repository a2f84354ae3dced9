import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { TokenError } from "../../src/errors.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { openBroken } from "../support/broken-store.ts";
import { useKinds } from "../support/kinds.ts";
import { onEachStore, outcomeOf, refusalOf, type Wish } from "./world.ts";

const LOST = "Unavailable STORE_UNAVAILABLE";

type Write = "insert" | "replace" | "claim";

/** Which write of the store fails next, and whether it is carried out nevertheless. */
let fault: { readonly write: Write; readonly isDone: boolean } | undefined;
afterEach(() => {
  fault = undefined;
});

const failing = (store: TokenStore): Partial<TokenStore> => {
  async function run<T>(write: Write, carryOut: () => Promise<T>): Promise<T> {
    if (fault?.write !== write) return carryOut();
    const { isDone } = fault;
    fault = undefined;
    if (isDone) await carryOut();
    throw new TokenError("STORE_UNAVAILABLE", "the store failed", { retryDelay: 1 });
  }
  return {
    insert: (...values) => run("insert", () => store.insert(...values)),
    replace: (...values) => run("replace", () => store.replace(...values)),
    claim: (...values) => run("claim", () => store.claim(...values)),
  };
};

onEachStore(
  (world) => {
    const owner = () => ({ tenant: world.name("tenant"), subject: "ada" });
    const idsOf = async (tenant: string) => {
      const { tokens } = await world.connect().list({ tenant });
      return tokens.map((token) => token.id).toSorted();
    };

    describe("a Create that is refused makes nothing, and leaves its place and its label free", () => {
      const REFUSED: [what: string, reason: string, wish: Partial<Wish>][] = [
        ["for its kind", "InvalidArgument KIND_UNKNOWN", { kind: "unheard-of" }],
        ["for a scope", "InvalidArgument INVALID_REQUEST", { scopes: ["with space"] }],
        ["for its request id", "InvalidArgument INVALID_REQUEST", { requestId: "not-a-uuid" }],
        ["for its life", "InvalidArgument LIFETIME_INVALID", { lifetime: { case: "ttl", value: { seconds: -1n } } }],
        ["for its uses", "InvalidArgument USES_INVALID", { kind: "link", maxUses: 2 }],
        ["for its label", "InvalidArgument LABEL_REQUIRED", { kind: "named", label: "" }],
        ["for its claims", "InvalidArgument CLAIMS_INVALID", { claims: { long: "x".repeat(5000) } }],
      ];

      test.each(REFUSED)("%s", async (_, reason, wish) => {
        const requestId = randomUUID();
        const { tenant, subject } = owner();
        const base = { tenant, subject, kind: "named", label: "the label", requestId };
        expect(await refusalOf(world.connect().create({ ...base, ...wish }))).toBe(reason);
        expect(await idsOf(tenant)).toEqual([]);
        const { token, secret } = await world.connect().create(base);
        expect(await idsOf(tenant)).toEqual([token?.id]);
        expect(await world.judge(secret)).toBe("ACTIVE");
      });

      test("for its label, which another token has", async () => {
        const { tenant, subject } = owner();
        const wish = { tenant, subject, kind: "named", label: "the label" };
        const first = await world.issue(wish);
        const second = { ...wish, requestId: randomUUID() };
        expect(await refusalOf(world.connect().create(second))).toBe("AlreadyExists LABEL_TAKEN");
        expect(await idsOf(tenant)).toEqual([first.id]);
        await world.connect().delete({ token: { case: "id", value: first.id } });
        const { token } = await world.connect().create(second);
        expect(await idsOf(tenant)).toEqual([token?.id]);
      });

      test("for the cap, which others fill", async () => {
        const { tenant, subject } = owner();
        const wish = { tenant, subject, kind: "few" };
        const others = [await world.issue(wish), await world.issue(wish)].map(({ id }) => id);
        const third = { ...wish, requestId: randomUUID() };
        for (let round = 0; round < 3; round++) {
          expect(await refusalOf(world.connect().create(third))).toBe("ResourceExhausted CAP_REACHED");
        }
        expect(await idsOf(tenant)).toEqual(others.toSorted());
        await world.connect().delete({ token: { case: "id", value: others[0] as string } });
        const { token } = await world.connect().create(third);
        expect(await idsOf(tenant)).toEqual([token?.id, others[1]].toSorted());
      });

      test("for the caller, who may not have what it asks for", async () => {
        const { tenant, subject } = owner();
        const { id, secret } = await world.issue({ tenant, subject, scopes: ["latchkey:self"] });
        const wish = { kind: "personal", scopes: ["more"], requestId: randomUUID() };
        expect(await refusalOf(world.connect(secret).create(wish))).toBe("PermissionDenied SCOPE_BEYOND_CALLER");
        expect(await idsOf(tenant)).toEqual([id]);
      });
    });

    describe("where the store fails at a write, a call with a request id comes to the same when it is repeated:", () => {
      /** If the write was the whole effect, and was made, then the call itself finds that out. */
      const FAULTS: [when: string, write: Write, isDone: boolean, outcome: string][] = [
        ["the claim of the request id, done", "claim", true, LOST],
        ["the claim of the request id, not done", "claim", false, LOST],
        ["the token, done", "insert", true, "ok"],
        ["the token, not done", "insert", false, LOST],
      ];

      test.each(FAULTS)("Create, at %s", async (_, write, isDone, outcome) => {
        const { tenant, subject } = owner();
        const wish = { tenant, subject, kind: "named", label: "the label", requestId: randomUUID() };
        fault = { write, isDone };
        expect(await outcomeOf(world.connect().create(wish))).toBe(outcome);
        const { token, secret } = await world.connect().create(wish);
        expect(await idsOf(tenant)).toEqual([token?.id]);
        expect(await world.judge(secret)).toBe("ACTIVE");
        expect(await world.connect().create(wish)).toMatchObject({ secret, token: { id: token?.id } });
      });

      test.each(FAULTS)("Exchange of a link, at %s", async (_, write, isDone, outcome) => {
        const { id, tenant, secret } = await world.issue({ ...owner(), kind: "link" });
        const wish = { secret, requestId: randomUUID() };
        fault = { write, isDone };
        expect(await outcomeOf(world.connect().exchange(wish))).toBe(outcome);
        const session = await world.connect().exchange(wish);
        expect(await idsOf(tenant)).toEqual([id, session.token?.id].toSorted());
        expect(await world.judge(session.secret)).toBe("ACTIVE");
        expect(await world.judge(secret)).toBe("EXHAUSTED");
        expect(await world.connect().exchange(wish)).toMatchObject({ secret: session.secret });
      });

      test.each([
        ["the claim of the request id, done", "claim", true, LOST],
        ["the claim of the request id, not done", "claim", false, LOST],
        ["the new secret, done", "replace", true, "ok"],
        ["the new secret, not done", "replace", false, LOST],
      ] as const)("Rotate, at %s", async (_, write, isDone, outcome) => {
        const { id, secret } = await world.issue(owner());
        const wish = { token: { case: "id", value: id } as const, requestId: randomUUID() };
        fault = { write, isDone };
        expect(await outcomeOf(world.connect().rotate(wish))).toBe(outcome);
        const { secret: next, token } = await world.connect().rotate(wish);
        expect(token?.etag).toBe("2");
        expect(await world.judge(next)).toBe("ACTIVE");
        expect(await world.judge(secret)).toBe("SPENT");
        expect(await world.connect().rotate(wish)).toMatchObject({ secret: next, token: { etag: "2" } });
      });
    });

    test("a one-time token stays good where the store could not take its use", async () => {
      const { secret } = await world.issue({ ...owner(), kind: "link" });
      fault = { write: "replace", isDone: false };
      expect(await refusalOf(world.connect().introspect({ secret }))).toBe(LOST);
      fault = { write: "insert", isDone: false };
      expect(await refusalOf(world.connect().exchange({ secret }))).toBe(LOST);
      expect(await world.judge(secret)).toBe("ACTIVE");
    });

    test("a one-time token is used up where the store took its use and could not say so", async () => {
      const { secret } = await world.issue({ ...owner(), kind: "link" });
      fault = { write: "replace", isDone: true };
      expect(await refusalOf(world.connect().introspect({ secret }))).toBe(LOST);
      expect(await outcomeOf(world.connect().exchange({ secret }))).toBe("FailedPrecondition TOKEN_NOT_ACTIVE");
    });

    test("a Rotate that is refused leaves the secret good", async () => {
      const { id, secret } = await world.issue(owner());
      const handle = { case: "id", value: id } as const;
      const root = world.connect();
      expect(await refusalOf(root.rotate({ token: handle, grace: { seconds: -1n } }))).toBe(
        "InvalidArgument INVALID_REQUEST",
      );
      expect(await refusalOf(root.rotate({ token: handle, requestId: "x" }))).toBe("InvalidArgument INVALID_REQUEST");
      const stranger = await world.issue({ ...owner(), scopes: ["latchkey:admin"] });
      expect(await refusalOf(world.connect(stranger.secret).rotate({ token: handle }))).toBe(
        "NotFound TOKEN_NOT_FOUND",
      );
      expect(await world.judge(secret)).toBe("ACTIVE");
      const { token } = await root.get({ token: handle });
      expect(token?.etag).toBe("1");
    });

    test("an Exchange that is refused leaves the token as it is, and makes nothing", async () => {
      const { id, tenant, secret } = await world.issue({
        ...owner(),
        kind: "rotating",
        scopes: ["a"],
        clientId: "app",
      });
      const root = world.connect();
      const wish = { secret, clientId: "app" };
      const refusals = [
        await refusalOf(root.exchange({ ...wish, kind: "access" })),
        await refusalOf(root.exchange({ ...wish, scopes: ["b"] })),
        await refusalOf(root.exchange({ ...wish, clientId: "other" })),
        await refusalOf(root.exchange({ ...wish, lifetime: { case: "permanent", value: true } })),
        await refusalOf(root.exchange({ ...wish, lifetime: { case: "ttl", value: { seconds: 9_999_999n } } })),
      ];
      expect(refusals).toEqual([
        "InvalidArgument EXCHANGE_NOT_ALLOWED",
        "InvalidArgument SCOPE_WIDENED",
        "PermissionDenied CLIENT_MISMATCH",
        "InvalidArgument PERMANENT_NOT_ALLOWED",
        "PermissionDenied LIFETIME_BEYOND_PARENT",
      ]);
      expect(await idsOf(tenant)).toEqual([id]);
      expect(await world.judge(secret)).toBe("ACTIVE");
      const { parentSecret } = await root.exchange(wish);
      expect(await world.judge(parentSecret)).toBe("ACTIVE");
    });
  },
  useKinds(),
  { openStore: openBroken(failing) },
);
