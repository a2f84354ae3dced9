import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import {
  CreateRequestSchema,
  DeleteAllRequestSchema,
  ExchangeRequestSchema,
  GetRequestSchema,
  ListRequestSchema,
  RotateRequestSchema,
  UpdateRequestSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";
import {
  toChanges,
  toExchangeWish,
  toHandle,
  toListQuery,
  toNewToken,
  toRevocation,
  toRotation,
} from "../../src/service/requests.ts";
import { refusal, thrownBy } from "../domain/world.ts";

const newToken = (init: MessageInitShape<typeof CreateRequestSchema>) => toNewToken(create(CreateRequestSchema, init));

describe("a CreateRequest", () => {
  test("that is empty asks for nothing in particular", () => {
    expect(newToken({})).toMatchObject({
      tenant: "",
      subject: "",
      kind: "",
      label: "",
      lifetime: { type: "default" },
      scopes: [],
      audiences: [],
      claims: undefined,
      clientId: "",
      inactive: false,
      maxUses: undefined,
      requestId: "",
    });
  });

  test("hands over every field", () => {
    const wish = {
      tenant: "acme",
      subject: "ada",
      kind: "personal",
      label: "laptop",
      scopes: ["a"],
      audiences: ["b"],
      claims: { plan: "gold" },
      clientId: "cli",
      inactive: true,
      maxUses: 3,
      requestId: "00000000-0000-4000-8000-000000000000",
    };
    expect(newToken(wish)).toMatchObject(wish);
  });

  test.each<[MessageInitShape<typeof CreateRequestSchema>["lifetime"], object]>([
    [
      { case: "ttl", value: { seconds: 90n } },
      { type: "ttl", duration: 90_000 },
    ],
    [
      { case: "ttl", value: {} },
      { type: "ttl", duration: 0 },
    ],
    [
      { case: "expireTime", value: { seconds: 90n, nanos: 1_000_000 } },
      { type: "until", time: 90_001 },
    ],
    [{ case: "permanent", value: true }, { type: "permanent" }],
    [
      { case: "life", value: "6 hours" },
      { type: "life", text: "6 hours" },
    ],
    [{ case: undefined }, { type: "default" }],
  ])("%o means the lifetime %o", (lifetime, expected) => {
    expect(newToken({ ...(lifetime && { lifetime }) }).lifetime).toEqual(expected);
  });

  test.each([
    ["ttl", { case: "ttl", value: { seconds: 1n, nanos: -1 } }, "LIFETIME_INVALID", "ttl: is not a valid Duration"],
    [
      "expire_time",
      { case: "expireTime", value: { nanos: -1 } },
      "INVALID_REQUEST",
      "expire_time: is not a valid Timestamp",
    ],
  ] as const)("with a malformed %s is refused", (_, lifetime, reason, message) => {
    expect(thrownBy(() => newToken({ lifetime }))).toMatchObject(refusal(reason, message));
  });
});

describe("an ExchangeRequest", () => {
  const wish = (init: MessageInitShape<typeof ExchangeRequestSchema>) =>
    toExchangeWish(create(ExchangeRequestSchema, init));

  test("hands over every field", () => {
    const init = {
      secret: "s",
      kind: "access",
      scopes: ["a"],
      audiences: ["b"],
      clientId: "cli",
      requestId: "00000000-0000-4000-8000-000000000000",
    };
    expect(wish({ ...init, lifetime: { case: "life", value: "P1D" } })).toEqual({
      ...init,
      lifetime: { type: "life", text: "P1D" },
    });
  });

  test("that says only a secret asks for nothing in particular", () => {
    expect(wish({ secret: "s" })).toEqual({
      secret: "s",
      kind: "",
      scopes: [],
      audiences: [],
      lifetime: { type: "default" },
      clientId: "",
      requestId: "",
    });
  });

  test("takes the same lifetimes as a CreateRequest", () => {
    const value = { seconds: 1n };
    expect(wish({ lifetime: { case: "ttl", value } }).lifetime).toEqual({ type: "ttl", duration: 1000 });
    expect(wish({ lifetime: { case: "expireTime", value } }).lifetime).toEqual({ type: "until", time: 1000 });
    expect(wish({ lifetime: { case: "permanent", value: true } }).lifetime).toEqual({ type: "permanent" });
  });
});

describe("a RotateRequest", () => {
  test("hands over every field", () => {
    const requestId = "00000000-0000-4000-8000-000000000000";
    const token = { case: "id", value: "x" } as const;
    const request = create(RotateRequestSchema, { token, grace: { seconds: 5n }, activateOnFirstUse: true, requestId });
    expect(toRotation(request)).toEqual({ handle: { id: "x" }, grace: 5000, activateOnFirstUse: true, requestId });
  });

  test("without a grace gives none", () => {
    const token = { case: "secret", value: "x" } as const;
    expect(toRotation(create(RotateRequestSchema, { token }))).toEqual({
      handle: { secret: "x" },
      grace: 0,
      activateOnFirstUse: false,
      requestId: "",
    });
  });
});

test.each([
  [{ case: "id", value: "x" }, { id: "x" }],
  [{ case: "secret", value: "x" }, { secret: "x" }],
  [{ case: undefined }, { id: "" }],
] as const)("a request names its token by id or secret: %o", (token, expected) => {
  expect(toHandle(create(GetRequestSchema, { token }))).toEqual(expected);
});

describe("a ListRequest", () => {
  test("that is empty has no conditions", () => {
    const { filter, ...rest } = toListQuery(create(ListRequestSchema));
    expect(rest).toEqual({ tenant: "", subject: "", pageSize: 0, pageToken: "" });
    expect(Object.values(filter).filter((condition) => condition !== undefined)).toEqual([]);
  });

  test("hands over every condition", () => {
    const at = (seconds: number) => ({ seconds: BigInt(seconds) });
    const request = create(ListRequestSchema, {
      tenant: "acme",
      subject: "ada",
      kinds: ["link"],
      status: TokenStatus.EXHAUSTED,
      permanent: false,
      label: "",
      parentId: "p",
      createdAfter: at(1),
      createdBefore: at(2),
      expiringAfter: at(3),
      expiringBefore: at(4),
      lastUsedAfter: at(5),
      lastUsedBefore: at(6),
      pageSize: 7,
      pageToken: "t",
      clientId: "cli",
      ids: ["a", "b"],
      exceptIds: ["c"],
    });
    expect(toListQuery(request)).toEqual({
      tenant: "acme",
      subject: "ada",
      filter: {
        kinds: ["link"],
        status: "EXHAUSTED",
        permanent: false,
        label: "",
        parentId: "p",
        created: { after: 1000, before: 2000 },
        expiring: { after: 3000, before: 4000 },
        lastUsed: { after: 5000, before: 6000 },
        clientId: "cli",
        ids: ["a", "b"],
        exceptIds: ["c"],
      },
      pageSize: 7,
      pageToken: "t",
    });
  });

  test.each([
    [TokenStatus.UNSPECIFIED, undefined],
    [TokenStatus.ACTIVE, "ACTIVE"],
    [TokenStatus.INACTIVE, "INACTIVE"],
    [TokenStatus.EXPIRED, "EXPIRED"],
    [TokenStatus.EXHAUSTED, "EXHAUSTED"],
  ])("of status %i asks for %s", (status, expected) => {
    expect(toListQuery(create(ListRequestSchema, { status })).filter.status).toBe(expected);
  });

  test("may have one end of a period open", () => {
    const { filter } = toListQuery(create(ListRequestSchema, { expiringBefore: { seconds: 1n } }));
    expect(filter.expiring).toEqual({ after: undefined, before: 1000 });
  });

  test.each([
    ["created_after", { createdAfter: { nanos: -1 } }],
    ["created_before", { createdBefore: { nanos: -1 } }],
    ["expiring_after", { expiringAfter: { nanos: -1 } }],
    ["expiring_before", { expiringBefore: { nanos: -1 } }],
    ["last_used_after", { lastUsedAfter: { nanos: -1 } }],
    ["last_used_before", { lastUsedBefore: { nanos: -1 } }],
  ])("with a malformed %s is refused, by the field's name", (field, init) => {
    expect(thrownBy(() => toListQuery(create(ListRequestSchema, init)))).toMatchObject(
      refusal("INVALID_REQUEST", `${field}: is not a valid Timestamp`),
    );
  });
});

describe("a DeleteAllRequest", () => {
  test("hands over every condition", () => {
    const at = (seconds: number) => ({ seconds: BigInt(seconds) });
    const init = { tenant: "acme", subject: "ada", allSubjects: true };
    const conditions = { kinds: ["link"], permanent: true, clientId: "cli", label: "", ids: ["a"], exceptIds: ["x"] };
    const request = create(DeleteAllRequestSchema, {
      ...init,
      ...conditions,
      status: TokenStatus.EXPIRED,
      createdAfter: at(1),
      createdBefore: at(2),
      expiringAfter: at(3),
      expiringBefore: at(4),
      lastUsedAfter: at(5),
      lastUsedBefore: at(6),
    });
    expect(toRevocation(request)).toEqual({
      ...init,
      filter: {
        ...conditions,
        status: "EXPIRED",
        created: { after: 1000, before: 2000 },
        expiring: { after: 3000, before: 4000 },
        lastUsed: { after: 5000, before: 6000 },
      },
    });
  });

  test("that is empty has no conditions", () => {
    const { filter, ...rest } = toRevocation(create(DeleteAllRequestSchema));
    expect(rest).toEqual({ tenant: "", subject: "", allSubjects: false });
    expect(Object.values(filter).filter((condition) => condition !== undefined)).toEqual([]);
  });

  test("may have one end of a period open, and no malformed one", () => {
    const request = create(DeleteAllRequestSchema, { createdBefore: { seconds: 1n } });
    expect(toRevocation(request).filter.created).toEqual({ after: undefined, before: 1000 });
    const malformed = create(DeleteAllRequestSchema, { lastUsedAfter: { nanos: -1 } });
    expect(thrownBy(() => toRevocation(malformed))).toMatchObject(
      refusal("INVALID_REQUEST", "last_used_after: is not a valid Timestamp"),
    );
  });
});

describe("an UpdateRequest", () => {
  const all = { label: "new", expireTime: { seconds: 1n }, scopes: ["a"], claims: { plan: "gold" } };
  test.each([
    [["label"], { label: "new" }],
    [["expire_time"], { expireTime: 1000 }],
    [["scopes"], { scopes: ["a"] }],
    [["claims"], { claims: { plan: "gold" } }],
    [["label", "claims"], { label: "new", claims: { plan: "gold" } }],
  ])("changes the fields of its mask and no others: %j", (paths, expected) => {
    expect(toChanges(create(UpdateRequestSchema, { ...all, updateMask: { paths } }))).toStrictEqual(expected);
  });

  test("is refused if its mask names nothing, or a part of a field, or if it has none", () => {
    const parts = ["claims.team", "label.x"].map((path) => ({ updateMask: { paths: ["label", path] } }));
    for (const mask of [{ updateMask: { paths: [] } }, {}, ...parts]) {
      expect(thrownBy(() => toChanges(create(UpdateRequestSchema, { ...all, ...mask })))).toMatchObject(
        refusal("INVALID_REQUEST", "update_mask: must name fields to change: label, expire_time, scopes, claims"),
      );
    }
  });

  test("empties what its mask names and it does not hold", () => {
    const updateMask = { paths: ["label", "expire_time", "scopes", "claims"] };
    expect(toChanges(create(UpdateRequestSchema, { updateMask }))).toStrictEqual({
      label: "",
      expireTime: undefined,
      scopes: [],
      claims: undefined,
    });
  });
});
