import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuthority } from "./tls.ts";

/** A line of redis.conf, word by word. */
export type Directive = readonly string[];

export interface RedisAccessOptions {
  /** Of the default user. */
  readonly password?: string;
  /** A further user that may use Latchkey's keys and nothing else. */
  readonly aclUser?: { readonly name: string; readonly password: string };
  /** Serves TLS only, between the servers too, with a certificate for 127.0.0.1, localhost and these addresses. */
  readonly tls?: boolean;
}

/** PEM texts: the authority that signed the servers' certificate, and a client's certificate with its key. */
export interface ClientTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** How servers of one installation let others in, and sign in at each other. */
export interface RedisAccess {
  /** What clients need to trust. */
  readonly tls: ClientTls | undefined;
  /** What each server has in redis.conf for it. */
  readonly directives: readonly Directive[];
}

/** Makes the certificates and writes them to the folder, if TLS is asked for. */
export function prepareAccess(folder: string, options: RedisAccessOptions, addresses: string[] = []): RedisAccess {
  const { password, aclUser } = options;
  const directives: Directive[] = [];
  if (password !== undefined) directives.push(["requirepass", password], ["masterauth", password]);
  if (aclUser)
    directives.push(["user", aclUser.name, "on", `>${aclUser.password}`, "~lk:*", "&lk:*", "+@all", "-@dangerous"]);
  if (!options.tls) return { tls: undefined, directives };
  const { tls, files } = issueCertificates(join(folder, "tls"), addresses);
  return { tls, directives: [...directives, ...files] };
}

function issueCertificates(folder: string, addresses: string[]): { tls: ClientTls; files: Directive[] } {
  const authority = createAuthority("Latchkey test CA");
  const server = authority.issueServer(addresses);
  const client = authority.issueClient("latchkey");
  const files = { "ca.pem": authority.cert, "server.pem": server.cert, "server.key": server.key };
  const clientFiles = { "client.pem": client.cert, "client.key": client.key };
  mkdirSync(folder);
  for (const [name, text] of Object.entries({ ...files, ...clientFiles }))
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  return {
    tls: { ca: authority.cert, ...client },
    files: [
      ["tls-ca-cert-file", join(folder, "ca.pem")],
      ["tls-cert-file", join(folder, "server.pem")],
      ["tls-key-file", join(folder, "server.key")],
      // As which a server signs in at another: its own certificate is one for servers only.
      ["tls-client-cert-file", join(folder, "client.pem")],
      ["tls-client-key-file", join(folder, "client.key")],
      ["tls-replication", "yes"],
    ],
  };
}

/** The part of a URL that signs in as the default user. */
export function userInfo(password: string | undefined): string {
  return password === undefined ? "" : `:${encodeURIComponent(password)}@`;
}
