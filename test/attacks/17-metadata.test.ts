import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ROOT_TOKEN } from "../support/service.ts";
import { onSqlite } from "./world.ts";

const KINDS = `
kinds:
  - { name: org, prefix: org, scheme: OrgUserApiToken }
  - { name: plain, prefix: pl }
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-kinds-"));
  writeFileSync(join(folder, "kinds.yaml"), KINDS);
});
afterAll(() => rmSync(folder, { recursive: true }));

const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString("base64")}`;

/** A connection with one call, in frames: Node's own client sends no header twice. */
function http2Call(path: string, headers: [string, string][], body: string): Buffer {
  const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const all = [
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", "x"],
    [":path", path],
    ["content-type", "application/json"],
    ...headers,
  ];
  // Literals that enter no table (RFC 7541, section 6.2.2).
  const block = all.flatMap(([name = "", value = ""]) => [Buffer.from([0]), text(name), text(value)]);
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(4, 0, 0, Buffer.alloc(0)),
    frame(1, 4, 1, Buffer.concat(block)),
    frame(0, 1, 1, Buffer.from(body)),
  ]);
}

onSqlite(
  (world) => {
    let org: string;
    let plain: string;
    beforeAll(async () => {
      const owner = { tenant: "tenant", subject: "ada", scopes: ["latchkey:self"] };
      org = (await world.issue({ ...owner, kind: "org" })).secret;
      plain = (await world.issue({ ...owner, kind: "plain" })).secret;
    });

    /** Status and reason of a List with these lines among the headers, over HTTP/1.1. */
    async function list(lines: string[], body = "{}"): Promise<string> {
      const { hostname, port } = new URL(world.service.url);
      const socket = connect(Number(port), hostname);
      const head = ["POST /latchkey.v1.TokenService/List HTTP/1.1", "Host: x", "Content-Type: application/json"];
      const tail = [`Content-Length: ${body.length}`, "Connection: close", "", body];
      socket.end([...head, ...lines, ...tail].join("\r\n"), "latin1");
      const answer = await text(socket);
      return `${answer.slice(9, 12)} ${/"reason":"(\w+)"/.exec(answer)?.[1] ?? ""}`.trim();
    }

    const INVALID = "401 CREDENTIALS_INVALID";
    const good = `Authorization: Bearer ${ROOT_TOKEN}`;

    test.each<[string, () => string[], string]>([
      ["none", () => [], "401 CREDENTIALS_MISSING"],
      ["one good", () => [good], "200"],
      ["the same twice", () => [good, good], INVALID],
      ["a good one before a bad one", () => [good, "Authorization: Bearer bad"], INVALID],
      ["a bad one before a good one", () => ["Authorization: Bearer bad", good], INVALID],
      ["names in two spellings", () => [good, good.replace("Authorization", "AUTHORIZATION")], INVALID],
      ["two far apart", () => [good, "X-Between: 1", good], INVALID],
      ["two in one, with a comma", () => [`${good}, Bearer ${ROOT_TOKEN}`], INVALID],
      ["two in one, without a space", () => [`${good},Bearer ${ROOT_TOKEN}`], INVALID],
      ["a comma at its end", () => [`${good},`], INVALID],
      ["an empty one", () => ["Authorization:"], INVALID],
      ["an empty one beside a good one", () => ["Authorization:", good], INVALID],
      ["a scheme alone", () => ["Authorization: Bearer"], INVALID],
      ["a token alone", () => [`Authorization: ${ROOT_TOKEN}`], INVALID],
      ["a tab between", () => [`Authorization: Bearer\t${ROOT_TOKEN}`], INVALID],
      ["more words", () => [`${good} x`], INVALID],
      ["quotes", () => [`Authorization: Bearer "${ROOT_TOKEN}"`], INVALID],
      ["a byte beyond ASCII", () => [`${good}\xe9`], INVALID],
      ["8 KiB and more", () => [`Authorization: Bearer ${"x".repeat(8200)}`], INVALID],
      ["its scheme in lower case", () => [`Authorization: bearer ${ROOT_TOKEN}`], "200"],
      ["the scheme Token", () => [`Authorization: Token ${ROOT_TOKEN}`], "200"],
      ["the root token in upper case", () => [`Authorization: Bearer ${ROOT_TOKEN.toUpperCase()}`], INVALID],
      ["the root token cut short", () => [good.slice(0, -1)], INVALID],
      ["the scheme Digest", () => [`Authorization: Digest ${ROOT_TOKEN}`], INVALID],
      ["the scheme Negotiate", () => [`Authorization: Negotiate ${ROOT_TOKEN}`], INVALID],
      ["a scheme of JavaScript's own", () => [`Authorization: __proto__ ${ROOT_TOKEN}`], INVALID],
      ["Basic with the token as password", () => [`Authorization: ${basic(`ada:${ROOT_TOKEN}`)}`], "200"],
      ["Basic without a user", () => [`Authorization: ${basic(`:${ROOT_TOKEN}`)}`], "200"],
      ["Basic with a colon in the password", () => [`Authorization: ${basic(`ada:x:${ROOT_TOKEN}`)}`], INVALID],
      ["Basic with a colon behind the password", () => [`Authorization: ${basic(`ada:${ROOT_TOKEN}:`)}`], INVALID],
      ["Basic with the token as user", () => [`Authorization: ${basic(`${ROOT_TOKEN}:`)}`], INVALID],
      ["Basic without a colon", () => [`Authorization: ${basic(ROOT_TOKEN)}`], INVALID],
      ["Basic with a NUL", () => [`Authorization: ${basic(`a\0:${ROOT_TOKEN}`)}`], INVALID],
      ["Basic with a line feed behind", () => [`Authorization: ${basic(`a:${ROOT_TOKEN}\n`)}`], INVALID],
      ["Basic that is not base64", () => [`Authorization: Basic ada:${ROOT_TOKEN}`], INVALID],
      ["Basic in base64 for URLs", () => ["Authorization: Basic fn4_fn5-"], INVALID],
      ["Basic without its padding", () => [`Authorization: ${basic(`a:${ROOT_TOKEN}`).replace(/=+$/, "")}`], INVALID],
      [
        "a binary header in its place",
        () => [`Authorization-Bin: ${Buffer.from(good).toString("base64")}`],
        "401 CREDENTIALS_MISSING",
      ],
      ["a proxy's header in its place", () => [`Proxy-${good}`], "401 CREDENTIALS_MISSING"],
      ["a forwarded header in its place", () => [`X-Forwarded-${good}`], "401 CREDENTIALS_MISSING"],
      ["a cookie in its place", () => [`Cookie: authorization=${ROOT_TOKEN}`], "401 CREDENTIALS_MISSING"],
    ])("authorization with %s", async (_what, lines, answer) => {
      expect(await list(lines())).toBe(answer);
    });

    test("two authorization headers are refused over HTTP/2 as well", async () => {
      const { hostname, port } = new URL(world.service.url);
      const call = (headers: [string, string][]) => {
        const socket = connect(Number(port), hostname).setEncoding("latin1");
        let received = "";
        socket.on("data", (chunk) => {
          received += chunk;
        });
        socket.write(http2Call("/latchkey.v1.TokenService/List", headers, "{}"));
        onTestFinished(() => void socket.destroy());
        return expect.poll(() => received);
      };
      const authorization: [string, string] = ["authorization", `Bearer ${ROOT_TOKEN}`];
      await call([authorization]).toContain('"tokens"');
      await call([authorization, authorization]).toContain("CREDENTIALS_INVALID");
    });

    test("a kind's scheme takes tokens of that kind and no other credentials", async () => {
      expect(await list([`Authorization: OrgUserApiToken ${org}`])).toBe("200");
      expect(await list([`Authorization: orguserapitoken ${org}`])).toBe("200");
      expect(await list([`Authorization: Bearer ${org}`])).toBe("200");
      expect(await list([`Authorization: OrgUserApiToken ${plain}`])).toBe(INVALID);
      expect(await list([`Authorization: OrgUserApiToken ${ROOT_TOKEN}`])).toBe(INVALID);
      expect(await list(["Authorization: OrgUserApiToken e30.e30.e30"])).toBe(INVALID);
      expect(await list([`Authorization: OrgUserApiTokens ${org}`])).toBe(INVALID);
      expect(await list([`Authorization: plain ${plain}`])).toBe(INVALID);
    });

    describe("no other header says who calls", () => {
      const SPOOFED = [
        "X-Tenant: default",
        "X-Tenant-Id: default",
        "Tenant: default",
        "X-Subject: root",
        "X-Forwarded-User: root",
        "X-Remote-User: root",
        'X-Forwarded-Client-Cert: Subject="CN=root"',
        "X-SSL-Client-Verify: SUCCESS",
        "X-Latchkey-Scopes: latchkey:root",
        "Tenant-Bin: ZGVmYXVsdA==",
        "X-Bin: AAECAw==",
        "Trace-Bin: not base64 at all",
      ];
      test.each(SPOOFED)("%s", async (line) => {
        const own = `Authorization: Bearer ${plain}`;
        expect(await list([line])).toBe("401 CREDENTIALS_MISSING");
        expect(await list([line, own])).toBe("200");
        expect(await list([line, own], '{"tenant":"default"}')).toBe("403 OWNER_BEYOND_CALLER");
        expect(await list([line, own], '{"subject":"root"}')).toBe("403 OWNER_BEYOND_CALLER");
      });
    });
  },
  () => ({ LATCHKEY_KINDS: join(folder, "kinds.yaml") }),
);
