import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { nameFailure } from "../support/answers.ts";
import { ROOT_TOKEN } from "../support/service.ts";
import { dials, type Line, openHttp2 } from "./dial.ts";
import { between, dialAt, pick, type Site, ttl } from "./site.ts";

// Those who come and go, ask for what they may not have, give up, or vanish.

const INTROSPECT = "/latchkey.v1.TokenService/Introspect";
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** A client that connects for one or two calls. */
export async function comeAndGo(site: Site): Promise<void> {
  const { tally, residents, service } = site;
  const line = dialAt(site, pick(Object.keys(dials)), service);
  try {
    for (let count = 0; count < 2; count++) {
      const { secret, subject } = pick(residents);
      const { token } = await tally.ask(line.client.introspect({ secret }));
      tally.expect("a stranger's answer", token?.subject, subject);
    }
  } finally {
    line.close();
  }
}

/** Callers that are nobody, or may not. */
export async function intrude(site: Site): Promise<void> {
  const { tally, residents, service } = site;
  const dial = pick(Object.keys(dials));
  const { secret } = pick(residents);
  const refusals: [token: string, expected: string, call: (client: Line["client"]) => Promise<unknown>][] = [
    ["junk", "Unauthenticated CREDENTIALS_INVALID", (client) => client.introspect({ secret })],
    [`${secret.slice(0, -1)}!`, "Unauthenticated CREDENTIALS_INVALID", (client) => client.list({})],
    [service, "PermissionDenied PERMISSION_DENIED", (client) => client.create({ kind: "session" })],
    [secret, "PermissionDenied OWNER_BEYOND_CALLER", (client) => client.list({ subject: "gate" })],
    [ROOT_TOKEN, "InvalidArgument KIND_UNKNOWN", (client) => client.create({ kind: "none" })],
    [ROOT_TOKEN, "NotFound TOKEN_NOT_FOUND", (client) => client.get({ token: { case: "id", value: "nobody" } })],
  ];
  for (const [token, expected, call] of refusals) {
    const line = dialAt(site, dial, token);
    await tally.refused("an intruder", call(line.client), expected).finally(line.close);
  }
}

/** A health watch that is left, and a question to the reflection. */
export async function watch({ tally, url }: Site): Promise<void> {
  const overConnect = (options: { baseUrl: string }) => createConnectTransport({ ...options, httpVersion: "2" });
  const line = openHttp2(url, pick([createGrpcTransport, overConnect]));
  const leave = new AbortController();
  try {
    const answers = createClient(Health, line.transport).watch({}, { signal: leave.signal })[Symbol.asyncIterator]();
    const first = await tally.ask(answers.next());
    tally.expect("the health", first.value?.status, Status.SERVING);
    const next = answers.next().then(
      () => "a change of health",
      (error: unknown) => nameFailure(error),
    );
    const file = { messageRequest: { case: "fileContainingSymbol", value: "latchkey.v1.TokenService" } } as const;
    const questions = (async function* () {
      yield file;
    })();
    for await (const answer of createClient(ServerReflection, line.transport).serverReflectionInfo(questions)) {
      tally.expect("the reflection", answer.messageResponse.case, "fileDescriptorResponse");
    }
    await setTimeout(between(0, 2500));
    // Half of them say so, and half are gone with their connection.
    if (Math.random() < 0.5) leave.abort();
    else line.close();
    const end = await next;
    if (end === "a change of health") tally.note(end);
  } finally {
    leave.abort();
    line.close();
  }
}

/** Calls that their client gives up after a moment, or gives no time to. */
export async function giveUp(
  { tally, life, service }: Site,
  client: Line["client"],
  gate: Line["client"],
): Promise<void> {
  const calls: ((options: object) => Promise<unknown>)[] = [
    (options: object) => gate.introspect({ secret: service }, options),
    (options: object) => client.create({ kind: "session", subject: "hasty", lifetime: ttl(life) }, options),
    (options: object) => client.list({ subject: "hasty" }, options),
  ];
  for (const call of calls) {
    const given = Math.random() < 0.5 ? { timeoutMs: 1 } : { signal: AbortSignal.timeout(Math.floor(between(0, 4))) };
    await tally.ask(call(given)).catch((error: unknown) => {
      const { code } = ConnectError.from(error);
      if (code !== Code.Canceled && code !== Code.DeadlineExceeded)
        tally.note(`a call given up: ${nameFailure(error)}`);
    });
  }
}

/** Clients that are gone in the middle of something: a call, a request, a greeting, or before it. */
export async function vanish({ tally, url, service, residents }: Site): Promise<void> {
  const { hostname, port } = new URL(url);
  const abandon = async (speak: (socket: Socket) => void) => {
    tally.calls++;
    const socket = connect(Number(port), hostname).on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
    speak(socket);
    await setTimeout(between(0, 200));
    if (Math.random() < 0.5) socket.resetAndDestroy();
    else socket.destroy();
  };
  const { secret } = pick(residents);
  const body = JSON.stringify({ secret });
  const head = `POST ${INTROSPECT} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${service}\r\ncontent-type: application/json\r\n`;
  const whole = `${head}content-length: ${body.length}\r\n\r\n${body}`;
  await abandon(() => {});
  await abandon((socket) => socket.write(PREFACE.slice(0, between(1, PREFACE.length))));
  await abandon((socket) => socket.write(whole.slice(0, between(1, whole.length))));
  await abandon((socket) => socket.write(whole));
  await abandonStreams(url, service);
}

/** Several calls on one HTTP/2 connection, some of them not whole, which breaks before it can have all answers. */
async function abandonStreams(url: string, service: string): Promise<void> {
  const session = http2.connect(url).on("error", () => {});
  await new Promise((resolve) => session.once("connect", resolve).once("close", resolve));
  for (let count = 0; count < 8; count++) {
    const headers = { ":method": "POST", ":path": INTROSPECT, authorization: `Bearer ${service}`, te: "trailers" };
    const stream = session.request({ ...headers, "content-type": "application/grpc" }).on("error", () => {});
    // The head of a message of six bytes: a secret of four characters.
    stream.write(Buffer.from([0, 0, 0, 0, 6, 10, 4]));
    if (count % 2 === 0) stream.end("junk");
  }
  await setTimeout(between(0, 20));
  session.destroy();
}

/** What load balancers and verifiers of JWTs ask for. */
export async function probe({ tally, url }: Site): Promise<void> {
  for (const path of ["/healthz", "/readyz", "/.well-known/jwks.json"]) {
    const response = await tally.ask(fetch(url + path));
    await response.arrayBuffer();
    tally.expect(path, response.status, 200);
  }
}
