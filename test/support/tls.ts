import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** PEM texts of a certificate and its key. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends KeyPair {
  /** A certificate for `localhost`, 127.0.0.1 and these addresses. */
  issueServer(addresses?: readonly string[]): KeyPair;
  /** A certificate for a client with this common name; a negative number of days makes one that has expired. */
  issueClient(name: string, days?: number): KeyPair;
}

/** A certificate authority of its own, in files that are gone when it returns. */
export function createAuthority(name = "test authority"): Authority {
  const subject = `/CN=${name}`;
  const extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
  const authority = issue({ subject, extensions, days: 2 });
  return {
    ...authority,
    issueServer(addresses = []) {
      const names = ["DNS:localhost", ...["127.0.0.1", ...addresses].map((address) => `IP:${address}`)];
      const extensions = `subjectAltName=${names.join()}\nextendedKeyUsage=serverAuth\n`;
      return issue({ subject: "/CN=localhost", extensions, days: 2, signer: authority });
    },
    issueClient(client, days = 2) {
      const extensions = "extendedKeyUsage=clientAuth\n";
      return issue({ subject: `/CN=${client}`, extensions, days, signer: authority });
    },
  };
}

interface Order {
  readonly subject: string;
  readonly extensions: string;
  readonly days: number;
  /** Unset: the certificate signs itself. */
  readonly signer?: KeyPair;
}

function issue({ subject, extensions, days, signer }: Order): KeyPair {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-tls-"));
  const file = (name: string) => join(folder, name);
  try {
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file("key.pem"));
    openssl("req", "-new", "-key", file("key.pem"), "-subj", subject, "-out", file("request.pem"));
    writeFileSync(file("extensions"), extensions);
    writeFileSync(file("ca.pem"), signer?.cert ?? "");
    writeFileSync(file("ca.key"), signer?.key ?? "", { mode: 0o600 });
    const by = signer ? ["-CA", file("ca.pem"), "-CAkey", file("ca.key")] : ["-key", file("key.pem")];
    const about = ["-in", file("request.pem"), "-out", file("cert.pem"), "-extfile", file("extensions")];
    openssl("x509", "-req", ...about, ...by, "-days", String(days));
    return { cert: readFileSync(file("cert.pem"), "utf8"), key: readFileSync(file("key.pem"), "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: "pipe" });
}
