import type { TLSSocket, TlsOptions } from "node:tls";

/** PEM texts. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
  /** Who signs the certificates that callers may prove themselves with. Undefined: no caller is asked for one. */
  readonly clientCa?: string | undefined;
}

/**
 * With a client CA, a certificate is asked for but not demanded, since callers may bring other credentials. The handshake
 * therefore lets everyone through, and `presentsBadCertificate` must be asked after it.
 */
export function tlsOptions(tls: Tls, handshakeTimeout: number): TlsOptions {
  const { cert, key, clientCa } = tls;
  const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false };
  return { cert, key, ...clients, minVersion: "TLSv1.2", ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout };
}

/**
 * Whether the client sent a certificate that does not verify: expired, from another CA, not made for clients. Such a client is
 * hung up on rather than served as if it had sent none, so that it never goes on as somebody else than it believes to be.
 */
export function presentsBadCertificate(socket: TLSSocket): boolean {
  if (socket.authorized) return false;
  const certificate: object | null = socket.getPeerCertificate();
  return certificate !== null && Object.keys(certificate).length > 0;
}
