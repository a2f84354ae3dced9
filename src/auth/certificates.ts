import type { PeerCertificate } from "node:tls";
import type { Identity } from "./identity.ts";

/** Whom certificates stand for that hold all of these names, each exactly as written. */
export interface CertificateRule {
  readonly match: {
    readonly commonName?: string | undefined;
    readonly sanUri?: string | undefined;
    readonly sanDns?: string | undefined;
  };
  readonly identity: Identity;
}

/** Whom a verified client certificate stands for at `now`; undefined: nobody. */
export type CertificateMapping = (certificate: PeerCertificate, now: number) => Identity | undefined;

/** A mapping by rules, of which the first that matches counts. */
export function createCertificateMapping(rules: readonly CertificateRule[]): CertificateMapping {
  return (certificate, now) => {
    // TLS has checked it, but only when the connection began, which may be days ago.
    if (!(Date.parse(certificate.valid_to) > now)) return undefined;
    const names = readAltNames(certificate.subjectaltname ?? "");
    return rules.find((rule) => matches(rule.match, certificate, names))?.identity;
  };
}

function matches(match: CertificateRule["match"], certificate: PeerCertificate, names: ReadonlySet<string>): boolean {
  const { commonName, sanUri, sanDns } = match;
  const found = [
    commonName === undefined || certificate.subject?.CN === commonName,
    sanUri === undefined || names.has(`URI:${sanUri}`),
    sanDns === undefined || names.has(`DNS:${sanDns}`),
  ];
  return found.every(Boolean) && Object.values(match).some((name) => name !== undefined);
}

/** `label:value`. Node quotes a value that holds a comma or a quote, so that no name can pretend to be two. */
const ALT_NAME = /([A-Za-z0-9 ]+:)("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/gy;

/** The names of Node's text `DNS:a.example, URI:spiffe://b`. None if it can't be read to its end. */
function readAltNames(text: string): ReadonlySet<string> {
  const found = [...text.matchAll(ALT_NAME)];
  const read = found.reduce((length, [whole]) => length + whole.length, 0);
  return new Set(read === text.length ? found.map(([, label, value]) => `${label}${value}`) : []);
}
