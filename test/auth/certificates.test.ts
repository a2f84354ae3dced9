import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { PeerCertificate } from "node:tls";
import { describe, expect, test } from "vitest";
import { type CertificateRule, createCertificateMapping } from "../../src/auth/certificates.ts";
import { NOW } from "./fixtures.ts";

const identity = { tenant: "acme", subject: "billing", scopes: ["latchkey:introspect"] };

/** A certificate in the form in which the TLS layer hands it over. */
function certificateOf(file: string): PeerCertificate {
  const pem = readFileSync(new URL(`certificates/${file}.pem`, import.meta.url));
  return new X509Certificate(pem).toLegacyObject() as unknown as PeerCertificate;
}

function identify(file: string, match: CertificateRule["match"], now = NOW) {
  return createCertificateMapping([{ match, identity }])(certificateOf(file), now);
}

describe("stands for the rule's identity if it has", () => {
  test.each<[string, string, CertificateRule["match"]]>([
    ["the common name", "common-name", { commonName: "billing" }],
    ["the URI", "all-names", { sanUri: "spiffe://acme/billing" }],
    ["the DNS name", "all-names", { sanDns: "billing.acme.example" }],
    [
      "all of the names asked for",
      "all-names",
      { commonName: "billing", sanUri: "spiffe://acme/billing", sanDns: "billing.acme.example" },
    ],
  ])("%s", (_, file, match) => {
    expect(identify(file, match)).toEqual(identity);
  });
});

describe("stands for nobody if", () => {
  test.each<[string, string, CertificateRule["match"]]>([
    ["the common name is another", "common-name", { commonName: "bill" }],
    ["the common name differs in case", "common-name", { commonName: "Billing" }],
    ["a rule has a wildcard", "all-names", { sanDns: "*.acme.example" }],
    ["the URI is only a beginning", "all-names", { sanUri: "spiffe://acme" }],
    ["the name is of another sort", "all-names", { sanDns: "spiffe://acme/billing" }],
    [
      "one of the names asked for is missing",
      "common-name",
      { commonName: "billing", sanUri: "spiffe://acme/billing" },
    ],
    ["it has two common names", "two-common-names", { commonName: "billing" }],
    ["a DNS name pretends to hold a URI", "comma-in-names", { sanUri: "spiffe://acme/billing" }],
    ["a URI pretends to hold a DNS name", "comma-in-names", { sanDns: "billing.acme.example" }],
    ["the rule asks for nothing", "all-names", {}],
  ])("%s", (_, file, match) => {
    expect(identify(file, match)).toBeUndefined();
  });

  test("it has expired since the connection began", () => {
    const expiry = Date.parse(certificateOf("common-name").valid_to);
    expect(identify("common-name", { commonName: "billing" }, expiry - 1)).toEqual(identity);
    expect(identify("common-name", { commonName: "billing" }, expiry)).toBeUndefined();
  });

  test("its names can't be read to the end", () => {
    const broken = { ...certificateOf("all-names"), subjectaltname: 'URI:spiffe://acme/billing, DNS:"x' };
    const match = { sanUri: "spiffe://acme/billing" };
    expect(createCertificateMapping([{ match, identity }])(broken, NOW)).toBeUndefined();
  });

  test("it is empty, as TLS gives it where the client sent none", () => {
    const mapping = createCertificateMapping([{ match: { commonName: "billing" }, identity }]);
    expect(mapping({} as PeerCertificate, NOW)).toBeUndefined();
  });
});

describe("a name that Node has put into quotes", () => {
  const match = { sanUri: "spiffe://acme/billing" };
  const identifyNames = (subjectaltname: string) =>
    createCertificateMapping([{ match, identity }])({ ...certificateOf("all-names"), subjectaltname }, NOW);

  test("does not hide the others", () => {
    expect(identifyNames('DirName:"O=Acme, Inc", URI:spiffe://acme/billing')).toEqual(identity);
  });

  test("is one name, whatever stands in it", () => {
    expect(identifyNames('DNS:"x, URI:spiffe://acme/billing"')).toBeUndefined();
    expect(identifyNames('DNS:"x\\", URI:spiffe://acme/billing, DNS:y"')).toBeUndefined();
  });
});

test("the first rule that matches counts", () => {
  const mapping = createCertificateMapping([
    { match: { commonName: "other" }, identity: { ...identity, subject: "other" } },
    { match: { sanDns: "billing.acme.example" }, identity: { ...identity, subject: "first" } },
    { match: { commonName: "billing" }, identity: { ...identity, subject: "second" } },
  ]);
  expect(mapping(certificateOf("all-names"), NOW)).toMatchObject({ subject: "first" });
});
