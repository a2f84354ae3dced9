import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { InactiveReason } from "#gen/latchkey/v1/token_service_pb.ts";
import { verdictOf } from "../support/answers.ts";
import { byId } from "../support/service.ts";
import type { Line } from "./dial.ts";
import { between, type Lines, pick, residentRequest, type Site, ttl } from "./site.ts";

// What users and services do with tokens. Each round knows what every answer must be, and leaves nothing but what ends by itself.

type Client = Line["client"];

/** A token from its making to its end, all through one client. */
export async function live({ tally, life }: Site, client: Client, gate: Client): Promise<void> {
  const subject = `user-${Math.floor(Math.random() * 500)}`;
  const label = randomUUID();
  const { token, secret } = await tally.ask(
    client.create({ kind: "personal", subject, label, lifetime: ttl(life), scopes: ["repo:read"] }),
  );
  const id = byId(token?.id ?? "");
  const see = async (what: string, expected: string) => {
    const [here, there] = await Promise.all([client, gate].map((asked) => tally.ask(asked.introspect({ secret }))));
    for (const answer of [here, there]) tally.expect(what, answer && verdictOf(answer), expected);
  };
  await see("a new token", "ACTIVE");
  const wrongScope = await tally.ask(gate.introspect({ secret, scopes: ["repo:write"] }));
  tally.expect("a scope that it lacks", verdictOf(wrongScope), "SCOPE");
  tally.expect("Get", (await tally.ask(client.get({ token: id }))).token?.label, label);
  await tally.ask(client.update({ token: id, label: `${label}!`, updateMask: { paths: ["label"] } }));
  await tally.ask(client.setActive({ token: id, active: false }));
  await see("a token that is off", "INACTIVE");
  await tally.ask(client.setActive({ token: id, active: true }));
  await see("a token that is on again", "ACTIVE");
  const { deletedCount } = await tally.ask(client.delete({ token: id }));
  tally.expect("Delete", Number(deletedCount), 1);
  await see("a deleted token", "UNKNOWN");
}

/** A token that ends by itself. */
export async function expire({ tally }: Site, client: Client): Promise<void> {
  const span = between(500, 2500);
  const asked = performance.now();
  const lifetime = ttl(span);
  const { secret } = await tally.ask(client.create({ kind: "session", subject: `guest-${randomUUID()}`, lifetime }));
  const early = await tally.ask(client.introspect({ secret }));
  if (performance.now() - asked < span) tally.expect("a token before its end", verdictOf(early), "ACTIVE");
  await setTimeout(span + 50);
  const late = await tally.ask(client.introspect({ secret }));
  tally.expect("a token after its end", verdictOf(late).replace("EXPIRED", "UNKNOWN"), "UNKNOWN");
}

/** A new secret, and the old one for a while. */
export async function rotate({ tally, life }: Site, client: Client): Promise<void> {
  const grace = 1000;
  const made = await tally.ask(
    client.create({ kind: "session", subject: `user-${randomUUID()}`, lifetime: ttl(life) }),
  );
  const id = byId(made.token?.id ?? "");
  const asked = performance.now();
  const { secret } = await tally.ask(client.rotate({ token: id, grace: durationFromMs(grace) }));
  const verdict = async (of: string) => verdictOf(await tally.ask(client.introspect({ secret: of })));
  const early = await verdict(made.secret);
  if (performance.now() - asked < grace) tally.expect("an old secret within its grace", early, "ACTIVE");
  await setTimeout(grace + 50);
  tally.expect("an old secret after its grace", await verdict(made.secret), "SPENT");
  tally.expect("a new secret", await verdict(secret), "ACTIVE");
  await tally.ask(client.delete({ token: id }));
}

/** A link for a session, once; a refresh token for access tokens; one that changes with each exchange. */
export async function exchange({ tally, life }: Site, client: Client): Promise<void> {
  const subject = `user-${randomUUID()}`;
  const lifetime = ttl(life);
  const verdict = async (secret: string) => verdictOf(await tally.ask(client.introspect({ secret, peek: true })));

  const link = await tally.ask(client.create({ kind: "link", subject, lifetime }));
  const session = await tally.ask(client.exchange({ secret: link.secret, lifetime }));
  tally.expect("a session", await verdict(session.secret), "ACTIVE");
  const again = client.exchange({ secret: link.secret, lifetime });
  await tally.refused("a link that was used", again, "FailedPrecondition TOKEN_NOT_ACTIVE");

  const refresh = await tally.ask(client.create({ kind: "refresh", subject, lifetime }));
  const access = await tally.ask(client.exchange({ secret: refresh.secret }));
  tally.expect("an access token", await verdict(access.secret), "ACTIVE");
  const { deletedCount } = await tally.ask(client.delete({ token: { case: "secret", value: refresh.secret } }));
  tally.expect("Delete of a token with a child", Number(deletedCount), 2);
  tally.expect("an access token whose parent is gone", await verdict(access.secret), "UNKNOWN");

  const rotating = await tally.ask(client.create({ kind: "rotating", subject, lifetime }));
  const { parentSecret } = await tally.ask(client.exchange({ secret: rotating.secret, lifetime: ttl(life / 2) }));
  tally.expect("a spent secret", await verdict(rotating.secret), "SPENT");
  tally.expect("its successor", await verdict(parentSecret), "ACTIVE");
}

/** A subject that comes, lists what it has, and goes. */
export async function visitAndLeave({ tally, life }: Site, client: Client): Promise<void> {
  const subject = `guest-${randomUUID()}`;
  const count = 4 + Math.floor(Math.random() * 9);
  const names = Array.from({ length: count }, (_, number) => `token ${number}`);
  await Promise.all(
    names.map((label) => tally.ask(client.create({ kind: "personal", subject, label, lifetime: ttl(life) }))),
  );
  let listed = 0;
  let pageToken = "";
  do {
    const page = await tally.ask(client.list({ subject, pageSize: 5, pageToken }));
    listed += page.tokens.length;
    pageToken = page.nextPageToken;
  } while (pageToken);
  tally.expect("List", listed, count);
  const { deletedCount } = await tally.ask(client.deleteAll({ subject }));
  tally.expect("DeleteAll", Number(deletedCount), count);
  tally.expect("List of nothing", (await tally.ask(client.list({ subject }))).tokens.length, 0);
}

/** Many at once, good ones and bad ones. */
export async function askForMany({ tally, residents }: Site, gate: Client): Promise<void> {
  const asked = Array.from({ length: 40 }, (_, index) => (index % 8 === 7 ? undefined : pick(residents)));
  const requests = asked.map((resident) => ({ secret: resident?.secret ?? "junk" }));
  const { responses } = await tally.ask(gate.batchIntrospect({ requests }));
  tally.expect("the answers of a batch", responses.length, asked.length);
  for (const [index, response] of responses.entries()) {
    const resident = asked[index];
    tally.expect("a secret of a batch", verdictOf(response), resident ? "ACTIVE" : "MALFORMED");
    tally.expect("the subject of a batch", response.token?.subject, resident?.subject);
  }
}

/** One of those that stay: asked for, calling itself, and made again with its request id. */
export async function meetResident(site: Site, lines: Lines, dial: string): Promise<void> {
  const { tally, residents, repeated, service } = site;
  const { secret, subject } = pick(residents);
  const { token, reason } = await tally.ask(lines.to(dial, service).introspect({ secret }));
  tally.expect("a resident", token?.subject, subject);
  tally.expect("a resident's reason", reason, InactiveReason.UNSPECIFIED);
  const known = pick(repeated);
  const again = await tally.ask(lines.to(dial).create(residentRequest(known.subject, known.requestId)));
  tally.expect("a repeated request", again.secret === known.secret, true);
}
