import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import {
  BatchIntrospectResponseSchema,
  CreateResponseSchema,
  DeleteAllResponseSchema,
  DeleteResponseSchema,
  ExchangeResponseSchema,
  GetResponseSchema,
  IntrospectResponseSchema,
  ListResponseSchema,
  RotateResponseSchema,
  SetActiveResponseSchema,
  type TokenService,
  UpdateResponseSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";

/** Makes a client that calls with a token. */
export type Connect = (token: string) => Client<typeof TokenService>;

/** One step of the scenario and what came of it, with everything random or timed masked. */
export interface Step {
  readonly step: string;
  readonly answer?: unknown;
  readonly error?: unknown;
}

/**
 * The life of a few tokens through every method, good input and bad. Runs in Node and in a browser, over any protocol, on any
 * store; the steps it answers are the same everywhere.
 */
export async function runScenario(connect: Connect, rootToken: string, tenant: string): Promise<Step[]> {
  const steps: Step[] = [];
  const names = new Map<string, string>([[tenant, "<tenant>"]]);
  const root = connect(rootToken);

  async function take<T extends DescMessage>(step: string, schema: T, call: Promise<MessageShape<T>>) {
    try {
      const message = await call;
      steps.push({ step, answer: mask(toJson(schema, message), names) });
      return message;
    } catch (error) {
      steps.push({ step, error: mask(describeError(error), names) });
      return undefined;
    }
  }

  const session = await take(
    "the root signs ada in",
    CreateResponseSchema,
    root.create({ tenant, subject: "ada", kind: "session", scopes: ["latchkey:self", "repo:read", "repo:write"] }),
  );
  const ada = connect(session?.secret ?? "");
  const personal = await take(
    "ada makes a personal token",
    CreateResponseSchema,
    ada.create({
      kind: "personal",
      label: "Laptop – Zürich 🗝",
      lifetime: { case: "ttl", value: { seconds: 3600n, nanos: 500_000_000 } },
      scopes: ["repo:read", "repo:read"],
      audiences: ["orders"],
    }),
  );
  const service = await take(
    "the root makes a token for a service",
    CreateResponseSchema,
    root.create({
      tenant,
      subject: "orders",
      kind: "service",
      scopes: ["latchkey:introspect"],
      lifetime: { case: "permanent", value: true },
      claims: { team: "blue", level: 3, nested: { list: [1, "two", null, true] } },
      clientId: "cli",
    }),
  );
  const orders = connect(service?.secret ?? "");
  const secret = personal?.secret ?? "";
  const id = personal?.token?.id ?? "";

  const ask = (step: string, question: object) =>
    take(step, IntrospectResponseSchema, orders.introspect({ secret, audience: "orders", ...question }));
  await ask("the service finds it active", { scopes: ["repo:read"], kinds: ["personal", "session"] });
  await ask("not with a scope it lacks", { scopes: ["repo:write"] });
  await ask("not for another audience", { audience: "billing" });
  await ask("not as another kind", { kinds: ["session"] });
  await ask("not with a secret of the right form that is nobody's", { secret: `${secret.slice(0, -7)}0000000` });
  await ask("not with junk", { secret: "junk" });

  await take("ada reads it by id", GetResponseSchema, ada.get({ token: { case: "id", value: id } }));
  await take("and by secret", GetResponseSchema, ada.get({ token: { case: "secret", value: secret } }));
  await take("and lists her tokens", ListResponseSchema, ada.list({ pageSize: 1 }));
  await take("only the permanent ones", ListResponseSchema, ada.list({ permanent: true }));
  await take("by status and label", ListResponseSchema, ada.list({ status: TokenStatus.ACTIVE, label: "none" }));
  await take(
    "relabels it",
    UpdateResponseSchema,
    ada.update({ token: { case: "id", value: id }, label: "desk", etag: "1", updateMask: { paths: ["label"] } }),
  );
  await take(
    "but not with an old etag",
    UpdateResponseSchema,
    ada.update({ token: { case: "id", value: id }, label: "x", etag: "1", updateMask: { paths: ["label"] } }),
  );
  await take(
    "can't widen it",
    UpdateResponseSchema,
    ada.update({ token: { case: "id", value: id }, scopes: ["repo:write"], updateMask: { paths: ["scopes"] } }),
  );
  await take(
    "can't change its expiry",
    UpdateResponseSchema,
    ada.update({ token: { case: "id", value: id }, updateMask: { paths: ["expire_time"] } }),
  );

  const handle = { case: "id", value: id } as const;
  await take("switches it off", SetActiveResponseSchema, ada.setActive({ token: handle, active: false }));
  await ask("which the service sees", {});
  await take("and on again", SetActiveResponseSchema, ada.setActive({ token: handle, active: true }));
  await ask("which the service sees too", {});

  const link = await take(
    "the root mails a one-time link",
    CreateResponseSchema,
    root.create({ tenant, subject: "ada", kind: "link" }),
  );
  const mail = await take(
    "and another one",
    CreateResponseSchema,
    root.create({ tenant, subject: "ada", kind: "link", scopes: ["latchkey:self"] }),
  );
  await ask("a look at it costs nothing", { secret: link?.secret, peek: true });
  await take(
    "it is good once, twice in one batch notwithstanding",
    BatchIntrospectResponseSchema,
    orders.batchIntrospect({
      requests: [{ secret: link?.secret ?? "" }, { secret: "junk" }, { secret: link?.secret ?? "" }],
    }),
  );

  // What is no credential does not matter where none are asked for.
  const nobody = connect("nobody");
  const fromMail = await take(
    "another link becomes a session, without any credentials",
    ExchangeResponseSchema,
    nobody.exchange({ secret: mail?.secret ?? "", lifetime: { case: "life", value: "1 hour 30 minutes" } }),
  );
  await take("but not twice", ExchangeResponseSchema, nobody.exchange({ secret: mail?.secret ?? "" }));
  await ask("the session is good", { secret: fromMail?.secret, audience: "" });
  const refresh = await take(
    "the root makes a refresh token",
    CreateResponseSchema,
    root.create({ tenant, subject: "ada", kind: "refresh", scopes: ["repo:read"], clientId: "cli" }),
  );
  await take(
    "which another client can't exchange",
    ExchangeResponseSchema,
    nobody.exchange({ secret: refresh?.secret ?? "", clientId: "other" }),
  );
  await take(
    "nor for more than it has",
    ExchangeResponseSchema,
    nobody.exchange({ secret: refresh?.secret ?? "", clientId: "cli", scopes: ["repo:write"] }),
  );
  const access = await take(
    "its own client gets a JWT for it",
    ExchangeResponseSchema,
    nobody.exchange({ secret: refresh?.secret ?? "", clientId: "cli", kind: "access" }),
  );
  await ask("which is good", { secret: access?.secret, audience: "", scopes: ["repo:read"] });
  await ask("but not with another signature", {
    secret: access?.secret.replace(/[^.]{10}$/, "AAAAAAAAAA"),
    audience: "",
  });
  const requestId = crypto.randomUUID();
  const rotation = { token: { case: "id", value: refresh?.token?.id ?? "" }, requestId } as const;
  const rotated = await take("it gets a new secret", RotateResponseSchema, root.rotate(rotation));
  await take("the same one if asked again", RotateResponseSchema, root.rotate(rotation));
  await take("but not with another grace", RotateResponseSchema, root.rotate({ ...rotation, grace: { seconds: 60n } }));
  await ask("the old one is spent", { secret: refresh?.secret, audience: "" });
  await ask("the new one is good", { secret: rotated?.secret, audience: "" });

  await take("the service may not list", ListResponseSchema, orders.list({}));
  await take("ada may not introspect", IntrospectResponseSchema, ada.introspect({ secret }));
  await take(
    "ada can't grant what she lacks",
    CreateResponseSchema,
    ada.create({ kind: "personal", scopes: ["billing"] }),
  );
  await take("nor make sessions", CreateResponseSchema, ada.create({ kind: "session" }));
  await take("nor tokens for bob", CreateResponseSchema, ada.create({ kind: "personal", subject: "bob" }));
  await take("nor in another tenant", CreateResponseSchema, ada.create({ kind: "personal", tenant: "elsewhere" }));
  await take("an unknown kind is named", CreateResponseSchema, root.create({ kind: "nonsense" }));
  await take(
    "an ill-formed scope is named",
    CreateResponseSchema,
    root.create({ kind: "personal", scopes: ["a b", "ok", 'c"'] }),
  );
  await take(
    "a life of nothing is refused",
    CreateResponseSchema,
    ada.create({ kind: "personal", lifetime: { case: "ttl", value: {} } }),
  );
  await take(
    "a token that is not there is not found",
    GetResponseSchema,
    ada.get({ token: { case: "id", value: "0000000000000000000" } }),
  );
  await take("a token must be named", GetResponseSchema, ada.get({}));
  await take("a page token must be ours", ListResponseSchema, ada.list({ pageToken: "1.abc.def" }));
  await take("a bad token calls nothing", ListResponseSchema, connect(`${secret.slice(0, -1)}_`).list({}));

  await take(
    "ada deletes it by secret",
    DeleteResponseSchema,
    ada.delete({ token: { case: "secret", value: secret } }),
  );
  await ask("and the service finds it no more", {});
  await take("nor can it be deleted again", DeleteResponseSchema, ada.delete({ token: handle }));
  await take(
    "all that expires goes",
    DeleteAllResponseSchema,
    root.deleteAll({ tenant, subject: "ada", permanent: false }),
  );
  await take("ada is signed out", ListResponseSchema, ada.list({}));
  await take("the tenant is emptied", DeleteAllResponseSchema, root.deleteAll({ tenant, allSubjects: true }));
  await take("nothing is left", ListResponseSchema, root.list({ tenant }));
  return steps;
}

function describeError(error: unknown): unknown {
  const failed = ConnectError.from(error);
  return {
    code: Code[failed.code],
    message: failed.rawMessage,
    info: failed.findDetails(ErrorInfoSchema).map((info) => toJson(ErrorInfoSchema, info)),
    violations: failed.findDetails(BadRequestSchema).flatMap((details) => toJson(BadRequestSchema, details)),
    retry: failed.findDetails(RetryInfoSchema).length,
  };
}

const MASKED = new Set([
  "id",
  "parentId",
  "secret",
  "parentSecret",
  "hint",
  "createTime",
  "expireTime",
  "remainingLife",
  "nextPageToken",
]);

/** When the last use is written depends on the moment. */
const LEFT_OUT = "lastUsedTime";

/** Takes out what is random or depends on the moment, but not whether it is there. */
function mask(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value === "string") {
    let text = value;
    for (const [name, masked] of names) text = text.replaceAll(name, masked);
    return text;
  }
  if (Array.isArray(value)) return value.map((item) => mask(item, names));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== LEFT_OUT)
      .map(([key, inner]) => [key, MASKED.has(key) && inner ? `<${key}>` : mask(inner, names)]),
  );
}
