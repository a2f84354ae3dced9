import { resolve } from "node:path";
import type { App } from "./app.ts";
import type { Config } from "./config.ts";
import { nameRedis } from "./store/redis-location.ts";

/** What a person needs next, after the service has started. Shows the root token if it has just been made. */
export function welcome(app: App, config: Config): string {
  const address = new URL(app.url).host;
  const curl = config.tls ? "curl -skw '\\n'" : "curl -sw '\\n'";
  const grpcurl = config.tls ? "grpcurl -insecure" : "grpcurl -plaintext";
  return `
Latchkey serves on ${app.url}   (gRPC, gRPC-Web and Connect on one port)
  tokens        ${nameStore(config)}
  service keys  ${resolve(config.keysPath)}
  root token    ${nameRootToken(app)}

Try it in another terminal:

  ROOT_TOKEN=${app.rootToken.created ?? "'the root token'"}

  # create a token
  CREATED=$(${curl} ${app.url}/latchkey.v1.TokenService/Create \\
    -H "authorization: Bearer $ROOT_TOKEN" -H "content-type: application/json" \\
    -d '{"subject":"ada","kind":"personal","label":"laptop","scopes":["repo:read"]}')
  echo "$CREATED"
  SECRET=$(echo "$CREATED" | sed 's/.*"secret":"\\([^"]*\\)".*/\\1/')

  # is it good?
  ${curl} ${app.url}/latchkey.v1.TokenService/Introspect \\
    -H "authorization: Bearer $ROOT_TOKEN" -H "content-type: application/json" \\
    -d "{\\"secret\\":\\"$SECRET\\"}"

  # the same with grpcurl
  ${grpcurl} -H "authorization: Bearer $ROOT_TOKEN" \\
    -d '{"subject":"ada","kind":"personal"}' ${address} latchkey.v1.TokenService/Create
  ${grpcurl} -H "authorization: Bearer $ROOT_TOKEN" \\
    -d "{\\"secret\\":\\"$SECRET\\"}" ${address} latchkey.v1.TokenService/Introspect

`;
}

function nameStore(config: Config): string {
  const { location } = config.store;
  if (config.store.shared) return nameRedis(location);
  return `${resolve(location.slice("sqlite:".length))} (SQLite)`;
}

function nameRootToken({ rootToken }: App): string {
  if (rootToken.created)
    return `${rootToken.created}\n                shown this once: keep it, only its hash is stored (${rootToken.path})`;
  if (rootToken.path) return `made at the first start; to have a new one made, delete ${rootToken.path} and restart`;
  return "the one in LATCHKEY_ROOT_TOKEN";
}
