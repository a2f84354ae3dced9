import { describe, expect, test } from "vitest";
import { readKindsFile } from "../../src/config/kinds-file.ts";
import { kindDefaults } from "../../src/domain/kinds.ts";
import { DAY, HOUR } from "../domain/world.ts";
import { faultsOf, writeFixture } from "./folder.ts";

const read = (text: string) => [...readKindsFile(writeFixture("kinds.yaml", text)).values()];
/** A kind of which only these fields are said; they stand in line 4 and further. */
const kindWith = (...fields: string[]) =>
  ["kinds:", "  - name: a", "    prefix: aa", ...fields.map((field) => `    ${field}`)].join("\n");
const faults = (text: string) => faultsOf(() => read(text));
/** A kind of JWTs, the same. */
const jwtKindWith = (...fields: string[]) => kindWith(...fields).replace("prefix: aa", "format: jwt");
/** A file of these kinds, a line each; the first stands in line 2. */
const kindsOf = (...kinds: string[]) => ["kinds:", ...kinds.map((kind) => `  - {${kind}}`)].join("\n");
/** A kind of this name that is exchanged for these others. */
const exchanging = (name: string, ...rules: string[]) =>
  `name: ${name}, prefix: p_${name}, exchanges_to: [${rules.map((rule) => `{kind: ${rule}}`).join(", ")}]`;

describe("a kinds file", () => {
  test("says of a kind its name and prefix; all else has a default", () => {
    expect(read(kindWith())).toEqual([{ ...kindDefaults, name: "a", prefix: "aa" }]);
  });

  test("may say all there is to a kind", () => {
    const text = kindWith(
      "default_lifetime: 15 minutes",
      "max_lifetime: 1d",
      "permanent: true",
      "default_uses: 2",
      "max_uses: 3",
      "max_per_subject: 4",
      "unique_labels: true",
      "format: opaque",
      "allowed_lifetimes: [PT1H, 15m]",
      "idle_timeout: 10 minutes",
      "exchanges_to: [{kind: b, rotate: true, revoke_on_reuse: true}, {kind: c, consume: true}]",
      "scheme: OrgUserApiToken",
      "tenants: [acme, globex]",
      "creators: [token, jwt, certificate]",
      "fresh_login: 5 minutes",
      "retention: 90d",
    );
    const [kind] = read(`${text}\n  - {name: b, prefix: bb}\n  - {name: c, prefix: cc}`);
    expect(kind).toEqual({
      name: "a",
      format: "opaque",
      prefix: "aa",
      jwt: kindDefaults.jwt,
      defaultLifetime: HOUR / 4,
      maxLifetime: DAY,
      allowedLifetimes: [HOUR, HOUR / 4],
      idleTimeout: HOUR / 6,
      permanent: true,
      defaultUses: 2,
      maxUses: 3,
      maxPerSubject: 4,
      uniqueLabels: true,
      reuse: false,
      exchangesTo: [
        { kind: "b", consume: false, rotate: true, revokeOnReuse: true },
        { kind: "c", consume: true, rotate: false, revokeOnReuse: false },
      ],
      scheme: "OrgUserApiToken",
      tenants: ["acme", "globex"],
      creators: ["token", "jwt", "certificate"],
      freshLogin: HOUR / 12,
      retention: 90 * DAY,
    });
  });

  test("may have JWTs, whose prefix is nothing and whose texts may name what is the token's", () => {
    const claims = '{app: "{tenant}/{kind}", jti2: "{id}-{label}", who: "{creator} {client_id} {subject}", sub: login}';
    const jwt = `jwt: {algorithm: ES256, issuer: "https://{tenant}.example", claims: ${claims}}`;
    expect(read(jwtKindWith(jwt))).toMatchObject([
      {
        format: "jwt",
        prefix: "",
        jwt: {
          algorithm: "ES256",
          issuer: "https://{tenant}.example",
          claims: {
            app: "{tenant}/{kind}",
            jti2: "{id}-{label}",
            who: "{creator} {client_id} {subject}",
            sub: "login",
          },
        },
      },
    ]);
    expect(read(jwtKindWith())).toMatchObject([{ format: "jwt", prefix: "", jwt: kindDefaults.jwt }]);
    expect(read(jwtKindWith("jwt: {}"))).toMatchObject([{ jwt: kindDefaults.jwt }]);
  });

  test("may exchange kinds along a line, and one into many", () => {
    const text = kindsOf(
      exchanging("a", "b, consume: true", "c"),
      exchanging("b", "c"),
      exchanging("c", "d"),
      exchanging("d"),
    );
    expect(read(text).map(({ exchangesTo }) => exchangesTo.map(({ kind }) => kind))).toEqual([
      ["b", "c"],
      ["c"],
      ["d"],
      [],
    ]);
  });

  test("may be JSON", () => {
    expect(read('{"kinds": [{"name": "a", "prefix": "aa"}]}')).toHaveLength(1);
  });

  test.each([
    [
      "a default life that is the longest, where that is shorter than 90 days",
      ["max_lifetime: 10h"],
      { defaultLifetime: 10 * HOUR },
    ],
    ["a default life of 90 days, where the longest is longer", ["max_lifetime: 365d"], { defaultLifetime: 90 * DAY }],
    ["permanent tokens by default", ["default_lifetime: permanent", "permanent: true"], { defaultLifetime: undefined }],
    ["as many uses by default as at most", ["max_uses: 1"], { defaultUses: 1, maxUses: 1 }],
    ["no retention", ["retention: none"], { retention: 0 }],
    [
      "a life of a thousand years at most",
      ["default_lifetime: 1000 years"],
      { defaultLifetime: { months: 12_000, ms: 0 } },
    ],
    [
      "lives by the calendar",
      ["default_lifetime: 1 year", "max_lifetime: P1Y6M1D"],
      { defaultLifetime: { months: 12, ms: 0 }, maxLifetime: { months: 18, ms: DAY } },
    ],
    ["a retention in months, which have 30 days then", ["retention: 2 months"], { retention: 60 * DAY }],
    [
      "the lives that are allowed: the first is the default, the longest the most",
      ["allowed_lifetimes: [1d, 1 month, 1h]"],
      { allowedLifetimes: [DAY, { months: 1, ms: 0 }, HOUR], defaultLifetime: DAY, maxLifetime: { months: 1, ms: 0 } },
    ],
    [
      "permanent tokens by default, and certain lives for the others",
      ["default_lifetime: permanent", "permanent: true", "allowed_lifetimes: [1d]"],
      { allowedLifetimes: [DAY], defaultLifetime: undefined },
    ],
    [
      "a default in other words than the life that is allowed",
      ["default_lifetime: 12 months", "allowed_lifetimes: [1 year]"],
      { defaultLifetime: { months: 12, ms: 0 } },
    ],
    ["one token that is answered again", ["reuse: true"], { reuse: true, maxPerSubject: undefined }],
    ["the shortest idle time-out", ["idle_timeout: 5m"], { idleTimeout: HOUR / 12 }],
    [
      "an idle time-out beyond the longest life, for permanent tokens",
      ["idle_timeout: 90d", "max_lifetime: 1d", "permanent: true"],
      { idleTimeout: 90 * DAY },
    ],
  ])("may ask for %s", (_, fields, expected) => {
    expect(read(kindWith(...fields))).toMatchObject([expected]);
  });
});

describe("a kinds file is refused, with line and field,", () => {
  const duration = (word: string) => `must be a duration such as "10h" or "90d", 1000 years at most, or "${word}"`;
  const span = 'must be a duration such as "15 minutes", "10h" or "90d"';
  test.each([
    ["default_lifetime: 0s", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: 15", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: '15'", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: -1h", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: forever", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: 1001 years", "default_lifetime: must be 1000 years at most"],
    ["max_lifetime: 0h", `max_lifetime: ${span}`],
    ["max_lifetime: 90", `max_lifetime: ${span}`],
    ["max_lifetime: permanent", `max_lifetime: ${span}`],
    ["max_lifetime: 1.1 years", `max_lifetime: ${span}`],
    ["max_lifetime: 9999 years", "max_lifetime: must be 1000 years at most"],
    ["retention: 9999 years", `retention: ${duration("none")}`],
    ["retention: 0", `retention: ${duration("none")}`],
    ["allowed_lifetimes: []", "allowed_lifetimes: must name a life"],
    ["allowed_lifetimes: [1d, x]", `allowed_lifetimes[1]: ${span}`],
    ["allowed_lifetimes: [1d, permanent]", `allowed_lifetimes[1]: ${span}`],
    ["allowed_lifetimes: [1d, 2d, 24h]", "allowed_lifetimes[2]: is there twice"],
    ["idle_timeout: 299s", "idle_timeout: must be 5 minutes at least, for the last use is noted to a minute"],
    ["idle_timeout: never", `idle_timeout: ${span}`],
    ["fresh_login: 0", `fresh_login: ${span}`],
    ["format: JWT", "format: must be opaque or jwt"],
    ["jwt: {}", "jwt: needs format: jwt"],
    ["exchanges_to: [{kind: b}]", "exchanges_to[0].kind: is none of the kinds of this file"],
    ["exchanges_to: [{kind: a}]", "exchanges_to[0].kind: is the kind itself: let it rotate instead"],
    ["exchanges_to: [{consume: true}]", "exchanges_to[0].kind: is missing"],
    ["exchanges_to: [{kind: constructor}]", "exchanges_to[0].kind: is none of the kinds of this file"],
    ["scheme: 'a b'", "scheme: must be letters, digits and -, 64 at most"],
    ["tenants: [acme inc]", "tenants[0]: is no name of a tenant"],
    ["prefer: x", "prefer: is not a known field"],
    ["defaultLifetime: 1h", "defaultLifetime: is not a known field"],
    ["default_lifetime: permanent", "default_lifetime: needs permanent: true"],
    ["scheme: bearer", "scheme: is taken by every kind"],
    ["scheme: Token", "scheme: is taken by every kind"],
    ["scheme: BASIC", "scheme: is taken by every kind"],
    ["fresh_login: 5m", "fresh_login: needs jwt among creators: nothing else tells when somebody has logged in"],
  ])("for %s", (field, fault) => {
    expect(faults(kindWith(field))).toEqual([`kinds.yaml:4: kinds[0].${fault}`]);
  });

  test.each([
    "permanent: yes please",
    "unique_labels: 1",
    "default_uses: 0",
    "default_uses: 1.5",
    "max_uses: 1000000001",
    "max_uses: '3'",
    "max_per_subject: 0",
    "creators: token",
    "tenants: acme",
    "tenants: []",
    "scheme: 7",
    "reuse: maybe",
    "exchanges_to: access",
    "allowed_lifetimes: 1d",
  ])("for %s, whose type or bounds are others", (field) => {
    const name = field.split(":", 1)[0];
    expect(faults(kindWith(field))).toEqual([expect.stringMatching(`^kinds\\.yaml:4: kinds\\[0\\]\\.${name}: `)]);
  });

  test("for a creator that is no credential, nor can the root be one", () => {
    expect(faults(kindWith("creators: [jwt, root, everyone]")).map((fault) => fault.split(": ", 2).join(": "))).toEqual(
      ["kinds.yaml:4: kinds[0].creators[1]", "kinds.yaml:4: kinds[0].creators[2]"],
    );
  });

  test.each(["A", "1a", "a b", "", "_a", "é", `a${"b".repeat(64)}`])("for the name %j", (name) => {
    expect(faults(`kinds:\n  - prefix: aa\n    name: "${name}"`)).toEqual([
      "kinds.yaml:3: kinds[0].name: must be lower-case letters, digits, - and _, 64 at most",
    ]);
  });

  test.each(["a", "A1", "1a", "a-b", "a_", "_a", "a b", "", `a${"b".repeat(24)}`])("for the prefix %j", (prefix) => {
    expect(faults(`kinds:\n  - name: a\n    prefix: "${prefix}"`)).toEqual([
      "kinds.yaml:3: kinds[0].prefix: must be lower-case letters, digits and _, 2 to 24 of them",
    ]);
  });

  test("for defaults beyond bounds", () => {
    const text = kindWith("default_lifetime: 2h", "max_lifetime: 1h", "default_uses: 3", "max_uses: 2");
    expect(faults(text)).toEqual([
      "kinds.yaml:4: kinds[0].default_lifetime: is longer than max_lifetime",
      "kinds.yaml:6: kinds[0].default_uses: is more than max_uses",
    ]);
  });

  test.each([
    [
      "a default that is not allowed",
      ["default_lifetime: 2h", "allowed_lifetimes: [1h, 3h]"],
      ["4: kinds[0].default_lifetime: must be one of allowed_lifetimes"],
    ],
    [
      "a default of a month where 30 days are allowed",
      ["default_lifetime: 1 month", "allowed_lifetimes: [30d]"],
      ["4: kinds[0].default_lifetime: must be one of allowed_lifetimes"],
    ],
    [
      "an allowed life beyond the longest",
      ["max_lifetime: 30d", "allowed_lifetimes: [1h, 31d, 2 months]"],
      [
        "5: kinds[0].allowed_lifetimes[1]: is longer than max_lifetime",
        "5: kinds[0].allowed_lifetimes[2]: is longer than max_lifetime",
      ],
    ],
    [
      "an idle time-out that no token would come to",
      ["idle_timeout: 1d", "max_lifetime: 24h"],
      ["4: kinds[0].idle_timeout: must be shorter than max_lifetime, or no token would come to it"],
    ],
    [
      "one token for each subject, and more",
      ["reuse: true", "max_per_subject: 1", "unique_labels: true"],
      [
        "5: kinds[0].max_per_subject: excludes reuse: true, with which a subject has one",
        "6: kinds[0].unique_labels: excludes reuse: true, with which a subject has one token",
      ],
    ],
    [
      "fresh logins of those who can't show one",
      ["fresh_login: 5m", "creators: [token, certificate]"],
      ["4: kinds[0].fresh_login: needs jwt among creators: nothing else tells when somebody has logged in"],
    ],
  ])("for %s", (_, fields, expected) => {
    expect(faults(kindWith(...fields))).toEqual(expected.map((fault) => `kinds.yaml:${fault}`));
  });

  describe("for JWTs", () => {
    const braces = "may have no braces but {id}, {tenant}, {subject}, {kind}, {label}, {client_id}, {creator}";
    const names = "must begin with a letter and go on with letters, digits and _ . : / -, 128 characters at most";
    test.each<[string, string]>([
      ["{algorithm: HS256}", "algorithm: must be EdDSA or ES256"],
      ["{algorithm: eddsa}", "algorithm: must be EdDSA or ES256"],
      ["{issuer: ''}", "issuer: must be one line without control characters"],
      ['{issuer: "a\\nb"}', "issuer: must be one line without control characters"],
      [`{issuer: ${"x".repeat(257)}}`, "issuer: must have at most 256 characters"],
      ["{issuer: 7}", "issuer: must be a text (in quotes, if it begins with a brace)"],
      ['{issuer: "{secret}"}', `issuer: ${braces}`],
      ['{issuer: "{Tenant}"}', `issuer: ${braces}`],
      ['{issuer: "{tenant"}', `issuer: ${braces}`],
      ['{issuer: "{{tenant}}"}', `issuer: ${braces}`],
      ["{kid: x}", "kid: is not a known field"],
      ["{claims: {app: {tenant}}}", "claims.app: must be a text (in quotes, if it begins with a brace)"],
      ['{claims: {app: "{digests}"}}', `claims.app: ${braces}`],
      ...["exp", "nbf", "iat", "jti", "scope", "rev"].map((name): [string, string] => [
        `{claims: {${name}: x}}`,
        `claims.${name}: is for Latchkey to set`,
      ]),
      ["{claims: {iss: x}}", "claims.iss: is what issuer says"],
      ["{claims: {a b: x}}", `claims.a b: ${names}`],
      ["{claims: {1a: x}}", `claims.1a: ${names}`],
      ['{claims: {"": x}}', `claims.: ${names}`],
    ])("that say %s", (jwt, fault) => {
      expect(faults(jwtKindWith(`jwt: ${jwt}`))).toEqual([`kinds.yaml:4: kinds[0].jwt.${fault}`]);
    });

    test("that have a prefix", () => {
      expect(faults(kindWith("format: jwt"))).toEqual([
        "kinds.yaml:3: kinds[0].prefix: is for opaque tokens: a JWT has none",
      ]);
    });

    test("whose claims are no names and texts", () => {
      expect(faults(jwtKindWith("jwt: {claims: [a]}"))).toEqual([
        expect.stringMatching(/^kinds\.yaml:4: kinds\[0\]\.jwt\.claims: /),
      ]);
    });
  });

  describe("for exchanges", () => {
    const back = "leads back here: such tokens would renew themselves for ever";
    const heir = "must be false: other kinds are exchanged for this one, and what it is used up for would outlive them";
    test("that lead in a circle, with or without an end of what is presented", () => {
      const text = kindsOf(
        exchanging("a", "b"),
        exchanging("b", "d", "c, consume: true"),
        exchanging("c", "a, rotate: true"),
        exchanging("d", "e"),
        exchanging("e"),
      );
      expect(faults(text)).toEqual([
        `kinds.yaml:2: kinds[0].exchanges_to[0].kind: ${back}`,
        `kinds.yaml:3: kinds[1].exchanges_to[1].kind: ${back}`,
        `kinds.yaml:3: kinds[1].exchanges_to[1].consume: ${heir}`,
        `kinds.yaml:4: kinds[2].exchanges_to[0].kind: ${back}`,
      ]);
      expect(faults(kindsOf(exchanging("a", "b, consume: true"), exchanging("b", "a, consume: true")))).toEqual([
        `kinds.yaml:2: kinds[0].exchanges_to[0].kind: ${back}`,
        `kinds.yaml:2: kinds[0].exchanges_to[0].consume: ${heir}`,
        `kinds.yaml:3: kinds[1].exchanges_to[0].kind: ${back}`,
        `kinds.yaml:3: kinds[1].exchanges_to[0].consume: ${heir}`,
      ]);
    });

    test("that are there twice, rotate what they use up, or say what nobody knows", () => {
      const text = kindsOf(
        exchanging("a", "b", "b, rotate: true", "c, rotate: true, consume: true", "c, revoke: true"),
        exchanging("b"),
        exchanging("c"),
      );
      expect(faults(text)).toEqual([
        "kinds.yaml:2: kinds[0].exchanges_to[3].revoke: is not a known field",
        "kinds.yaml:2: kinds[0].exchanges_to[2].rotate: excludes consume: true",
        "kinds.yaml:2: kinds[0].exchanges_to[1].kind: is there twice",
        "kinds.yaml:2: kinds[0].exchanges_to[3].kind: is there twice",
      ]);
    });

    test("that use up what came of an exchange itself", () => {
      const text = kindsOf(
        exchanging("a", "b"),
        exchanging("b", "c", "d, consume: true"),
        exchanging("c"),
        exchanging("d"),
      );
      expect(faults(text)).toEqual([`kinds.yaml:3: kinds[1].exchanges_to[1].consume: ${heir}`]);
    });

    test("but not for a kind that is there under a name that is wrong in itself", () => {
      const text = kindsOf(exchanging("a", "B"), "name: B, prefix: bb");
      expect(faults(text)).toEqual([
        "kinds.yaml:3: kinds[1].name: must be lower-case letters, digits, - and _, 64 at most",
      ]);
    });
  });

  test("for two kinds of one name, one prefix or one scheme", () => {
    const text =
      "kinds:\n  - {name: a, prefix: aa, scheme: Xy}\n  - {name: b, prefix: aa}\n  - {name: a, prefix: cc, scheme: xY}";
    expect(faults(text)).toEqual([
      "kinds.yaml:3: kinds[1].prefix: is another kind's too",
      "kinds.yaml:4: kinds[2].name: is another kind's too",
      "kinds.yaml:4: kinds[2].scheme: is another kind's too",
    ]);
  });

  test("for what is missing", () => {
    expect(faults("kinds:\n  - label: x")).toEqual([
      "kinds.yaml:2: kinds[0].name: is missing",
      "kinds.yaml:2: kinds[0].label: is not a known field",
      "kinds.yaml:2: kinds[0].prefix: is missing",
    ]);
    expect(faults("{}")).toEqual(["kinds.yaml:1: kinds: is missing"]);
    expect(faults("kinds: []")).toHaveLength(1);
    expect(faults("")).toHaveLength(1);
  });

  test("with all that is wrong in several kinds at once", () => {
    const text =
      "kinds:\n  - {name: A, prefix: aa}\n  - {name: b, prefix: b}\n  - {name: c, prefix: cc, default_lifetime: permanent}";
    expect(faults(text).map((fault) => fault.split(": ", 2).join(": "))).toEqual([
      "kinds.yaml:2: kinds[0].name",
      "kinds.yaml:3: kinds[1].prefix",
      "kinds.yaml:4: kinds[2].default_lifetime",
    ]);
  });

  test("with everything wrong at once, each field with its own line", () => {
    const text = `kinds:
  - name: Session
    format: token
    prefix: S
    jwt: {algorithm: none, issuer: "{x}", claims: {exp: "1", app: "{y}"}, key: k}
    default_lifetime: permanent
    max_lifetime: 1 fortnight
    allowed_lifetimes: [1d, -1d]
    idle_timeout: 1m
    permanent: "yes"
    default_uses: 0
    max_uses: many
    max_per_subject: 1.5
    unique_labels: "no"
    reuse: 1
    exchanges_to: [{kind: nobody}, {kind: api, rotate: true, consume: true, after: 1d}, {}]
    scheme: Bearer Token
    creators: [root]
    fresh_login: today
    retention: for ever
    colour: red
  - name: api
    prefix: api
    default_lifetime: 3d
    max_lifetime: 2d
    allowed_lifetimes: [1d, 4d, 1d]
    idle_timeout: 2d
    default_uses: 3
    max_uses: 2
    max_per_subject: 2
    unique_labels: true
    reuse: true
    exchanges_to: [{kind: api}, {kind: back}, {kind: back}]
    scheme: basic
    fresh_login: 1h
  - name: back
    format: jwt
    prefix: api
    default_lifetime: permanent
    scheme: Basic
    exchanges_to: [{kind: api}]
  - name: api
    jwt: {}
  - 7
keys: []
`;
    const fields = faults(text).map((fault) => fault.split(": ", 2).join(" "));
    expect(fields).toEqual(
      [
        ...[
          ...["2 kinds[0].name", "3 kinds[0].format", "4 kinds[0].prefix"],
          ...["algorithm", "issuer", "claims.app", "key", "claims.exp"].map((field) => `5 kinds[0].jwt.${field}`),
          ...["7 kinds[0].max_lifetime", "8 kinds[0].allowed_lifetimes[1]", "9 kinds[0].idle_timeout"],
          ...[
            "10 kinds[0].permanent",
            "11 kinds[0].default_uses",
            "12 kinds[0].max_uses",
            "13 kinds[0].max_per_subject",
          ],
          ...["14 kinds[0].unique_labels", "15 kinds[0].reuse", "16 kinds[0].exchanges_to[1].after"],
          ...["16 kinds[0].exchanges_to[2].kind", "16 kinds[0].exchanges_to[1].rotate"],
          ...["17 kinds[0].scheme", "18 kinds[0].creators[0]", "19 kinds[0].fresh_login", "20 kinds[0].retention"],
          "21 kinds[0].colour",
        ],
        ...[
          ...["24 kinds[1].default_lifetime", "24 kinds[1].default_lifetime"],
          ...["26 kinds[1].allowed_lifetimes[1]", "26 kinds[1].allowed_lifetimes[2]", "27 kinds[1].idle_timeout"],
          ...["28 kinds[1].default_uses", "30 kinds[1].max_per_subject", "31 kinds[1].unique_labels"],
          ...[0, 1, 2].map((index) => `33 kinds[1].exchanges_to[${index}].kind`),
          ...["34 kinds[1].scheme", "35 kinds[1].fresh_login"],
        ],
        ...["38 kinds[2].prefix", "38 kinds[2].prefix", "39 kinds[2].default_lifetime", "40 kinds[2].scheme"],
        ...["40 kinds[2].scheme", "41 kinds[2].exchanges_to[0].kind"],
        ...["42 kinds[3].prefix", "42 kinds[3].name", "43 kinds[3].jwt", "44 kinds[4]", "45 keys"],
      ].map((fault) => `kinds.yaml:${fault}`),
    );
  });

  test("without a word of what it says: it could be the wrong file", () => {
    const text = kindsOf("name: s3cret, prefix: s3cret, scheme: s3cret, colour: x, exchanges_to: [{kind: s3cret}]");
    expect(faults(text.replace("prefix: s3cret", "prefix: S3CRET")).join()).not.toMatch(/s3cret/i);
  });

  test("if it is not there", () => {
    expect(faultsOf(() => readKindsFile("/nowhere/kinds.yaml"))).toEqual(["kinds.yaml: can't be read (ENOENT)"]);
  });
});
