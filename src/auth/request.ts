import type { PeerCertificate } from "node:tls";

/** Headers of a request. Names are lower case. */
export interface Metadata {
  /** All values of a header, in their order, exactly as they were sent; empty if there is none. */
  values(name: string): readonly string[];
}

/** The other end of the connection. */
export interface Peer {
  /** For logs: `connect`, `grpc` or `grpc-web`. */
  readonly protocol: string;
  /** The address, for logs. */
  readonly address: string;
  /** The certificate that the TLS layer has verified against LATCHKEY_TLS_CLIENT_CA. */
  readonly certificate?: PeerCertificate | undefined;
}
