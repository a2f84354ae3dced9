/**
 * `npm run demo` walks through the main job. It uses the service at DEMO_URL with the root token in ROOT_TOKEN where both
 * are set, and otherwise starts a fresh one that is gone afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { pino } from "pino";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { type Token, TokenStatusSchema } from "#gen/latchkey/v1/token_pb.ts";
import { InactiveReasonSchema, type IntrospectResponse, TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { startApp } from "../src/app.ts";
import { readConfig } from "../src/config.ts";

const { DEMO_URL, ROOT_TOKEN } = process.env;
if (DEMO_URL && ROOT_TOKEN) await walkThrough(DEMO_URL, ROOT_TOKEN);
else await withFreshService(walkThrough);

async function withFreshService(use: (url: string, rootToken: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-demo-"));
  const variables = { LATCHKEY_LISTEN: "127.0.0.1:0", LATCHKEY_STORE: `sqlite:${join(folder, "latchkey.db")}` };
  const app = await startApp(readConfig(variables), pino({ level: "silent" }));
  try {
    say(`A fresh service on ${app.url}, with its data in ${folder} until the end of this demo.`);
    await use(app.url, app.rootToken.created ?? "");
  } finally {
    await app.close();
    rmSync(folder, { recursive: true });
  }
}

async function walkThrough(url: string, rootToken: string): Promise<void> {
  const root = connect(url, rootToken);
  const subject = `ada-${Date.now()}`;

  step("Your login service signs a user in: a session that lives ten hours.");
  const session = await root.create({ subject, kind: "session", scopes: ["latchkey:self", "repo:read", "repo:write"] });
  showToken(session.token);
  say(`  secret        ${session.secret}   (answered once; only its HMAC is stored)`);

  step("With it, the user makes herself a personal token that may only read, for 30 days.");
  const user = connect(url, session.secret);
  const lifetime = { case: "ttl", value: { seconds: 30n * 86_400n, nanos: 0 } } as const;
  const personal = await user.create({ kind: "personal", label: "laptop", scopes: ["repo:read"], lifetime });
  showToken(personal.token);

  step("She can't give it more than she has.");
  await showRefusal(user.create({ kind: "personal", scopes: ["billing:admin"] }));

  step("Your repository service gets a token of its own, which may only introspect, and asks at every request:");
  const service = await root.create({
    subject: "repository-service",
    kind: "service",
    scopes: ["latchkey:introspect"],
  });
  const repository = connect(url, service.secret);
  const ask = (scope: string) => repository.introspect({ secret: personal.secret, scopes: [scope] });
  say("  may it read?");
  showVerdict(await ask("repo:read"));
  say("  may it write?");
  showVerdict(await ask("repo:write"));

  step("The laptop is lost: she switches the token off, and finds it, and switches it on again.");
  const token = { case: "id", value: personal.token?.id ?? "" } as const;
  await user.setActive({ token, active: false });
  showVerdict(await ask("repo:read"));
  await user.setActive({ token, active: true });
  showVerdict(await ask("repo:read"));

  step("A link in a mail works once.");
  const link = await root.create({ subject, kind: "link" });
  showVerdict(await repository.introspect({ secret: link.secret }));
  showVerdict(await repository.introspect({ secret: link.secret }));

  step("What tokens does she have?");
  for (const listed of (await root.list({ subject })).tokens) showToken(listed);

  step("She leaves: everything goes at once, and nothing of it works any more.");
  const { deletedCount } = await root.deleteAll({ subject });
  say(`  deleted       ${deletedCount}`);
  showVerdict(await ask("repo:read"));
  await showRefusal(user.list({}));
  await root.delete({ token: { case: "secret", value: service.secret } });
  say("");
}

function connect(url: string, token: string): Client<typeof TokenService> {
  return createClient(
    TokenService,
    createGrpcTransport({
      baseUrl: url,
      interceptors: [
        (next) => (request) => {
          request.header.set("authorization", `Bearer ${token}`);
          return next(request);
        },
      ],
    }),
  );
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function step(text: string): void {
  say(`\n• ${text}`);
}

function showToken(token: Token | undefined): void {
  if (!token) return;
  const parts = [
    token.hint.concat("…").padEnd(20),
    token.kind.padEnd(9),
    TokenStatusSchema.value[token.status]?.localName.padEnd(9),
    token.label.padEnd(7),
    token.scopes.join(" "),
  ];
  say(`  token         ${parts.join(" ").trimEnd()}`);
}

function showVerdict({ active, token, reason }: IntrospectResponse): void {
  say(
    active
      ? `  → active      ${token?.subject}: ${token?.scopes.join(" ")}`
      : `  → not active  ${InactiveReasonSchema.value[reason]?.localName}`,
  );
}

async function showRefusal(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const refused = ConnectError.from(error);
    say(`  → refused     ${refused.findDetails(ErrorInfoSchema)[0]?.reason}: ${refused.rawMessage}`);
  }
}
