import type { Expectation, KeyFile, Target } from "../load/job.ts";
import { fieldHead } from "../load/messages.ts";
import type { ScriptOptions } from "../machine/script.ts";
import { OIDC_CLIENT } from "./oidc-client.ts";

/** How many calls are under way at once. */
const UNDER_WAY = 128;
const CONNECTIONS = 8;

export const INTROSPECT = "/latchkey.v1.TokenService/Introspect";

export interface Candidate {
  /** As the issue and the page name it. */
  readonly letter: string;
  readonly name: string;
  /** The server. */
  readonly script: Pick<ScriptOptions, "file" | "variables">;
  /** What fills the store with its tokens; unset: it answers about Latchkey's. */
  readonly fill?: string;
  target(url: string, keys: KeyFile, credential: string): Target;
}

/** A Latchkey on a Redis, with a service key of its own. */
export function latchkeyScript(redisUrl: string, keysPath: string): Candidate["script"] {
  return {
    file: "src/main.ts",
    variables: {
      LATCHKEY_LISTEN: "127.0.0.1:0",
      LATCHKEY_STORE: redisUrl,
      LATCHKEY_KEYS: keysPath,
      LATCHKEY_ROOT_TOKEN: "the-root-token-of-the-bench-0123456789",
    },
  };
}

/** All that are compared, in the order of their letters. */
export function candidates(redisUrl: string, keysPath: string): readonly Candidate[] {
  const variables = { REDIS_URL: redisUrl, KEYS: keysPath };
  const latchkey = latchkeyScript(redisUrl, keysPath);
  return [
    {
      letter: "a",
      name: "bare node:http2 and one GET",
      script: { file: "bench/candidates/bare-http2.ts", variables },
      target: introspectOverGrpc,
    },
    { letter: "b", name: "Latchkey over its lane (gRPC)", script: latchkey, target: introspectOverGrpc },
    { letter: "c", name: "Latchkey through Connect", script: latchkey, target: introspectOverConnect },
    {
      letter: "d",
      name: "a plain connect-node handler (gRPC)",
      script: { file: "bench/candidates/connect-node.ts", variables },
      target: introspectOverGrpc,
    },
    {
      letter: "e",
      name: "a plain grpc-js handler (gRPC)",
      script: { file: "bench/candidates/grpc-js.ts", variables },
      target: introspectOverGrpc,
    },
    {
      letter: "f",
      name: "oidc-provider, RFC 7662",
      script: { file: "bench/peers/oidc-provider/server.ts", variables },
      fill: "bench/peers/oidc-provider/fill.ts",
      target: (url, keys) => ({
        ...overHttp1(url, keys, "active"),
        path: "/token/introspection",
        headers: {
          authorization: `Basic ${btoa(`${OIDC_CLIENT.id}:${OIDC_CLIENT.secret}`)}`,
          "content-type": "application/x-www-form-urlencoded",
        },
        before: base64("token="),
        after: base64("&token_type_hint=access_token"),
      }),
    },
    {
      letter: "g",
      name: "better-auth, API keys",
      script: { file: "bench/peers/better-auth/server.ts", variables },
      fill: "bench/peers/better-auth/fill.ts",
      target: (url, keys) => ({
        ...overHttp1(url, keys, "valid"),
        path: "/",
        headers: { "content-type": "application/json" },
        before: base64('{"key":"'),
        after: base64('"}'),
      }),
    },
    {
      letter: "h",
      name: "Latchkey's HTTP/2 and one GET",
      script: { file: "bench/candidates/bare-latchkey-http2.ts", variables },
      target: introspectOverGrpc,
    },
  ];
}

/** Calls of a method over gRPC, with the key in this field and the rest of the message after it. */
export function overGrpc(
  url: string,
  keys: KeyFile,
  credential: string,
  { path, field, rest = Buffer.alloc(0), expect }: { path: string; field: number; rest?: Buffer; expect: Expectation },
): Target {
  return {
    url,
    protocol: "grpc",
    path,
    headers: { "content-type": "application/grpc", te: "trailers", authorization: `Bearer ${credential}` },
    connections: CONNECTIONS,
    depth: UNDER_WAY / CONNECTIONS,
    before: base64(fieldHead(field, keys.keyBytes)),
    after: base64(rest),
    keysPerCall: 1,
    keys,
    expect,
  };
}

export function introspectOverGrpc(url: string, keys: KeyFile, credential: string): Target {
  return overGrpc(url, keys, credential, { path: INTROSPECT, field: 1, expect: { type: "verdict" } });
}

/** The Connect protocol over HTTP/2, which the lane leaves to Connect. */
function introspectOverConnect(url: string, keys: KeyFile, credential: string): Target {
  return {
    ...introspectOverGrpc(url, keys, credential),
    protocol: "connect",
    headers: {
      "content-type": "application/proto",
      "connect-protocol-version": "1",
      authorization: `Bearer ${credential}`,
    },
  };
}

/** HTTP/1.1 carries one call a connection, so there are as many connections as calls. */
function overHttp1(url: string, keys: KeyFile, field: string) {
  return {
    url,
    protocol: "http1",
    connections: UNDER_WAY,
    depth: 1,
    keysPerCall: 1,
    keys,
    expect: { type: "json", field },
  } as const;
}

function base64(text: string | Buffer): string {
  return Buffer.from(text).toString("base64");
}
