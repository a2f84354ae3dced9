import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { ROOT_TOKEN } from "../support/service.ts";
import { onSqlite, refusalOf, type World } from "./world.ts";

const KINDS = `
kinds:
  - { name: org, prefix: org, scheme: OrgUserApiToken }
  - { name: plain, prefix: pl }
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-kinds-"));
  writeFileSync(join(folder, "kinds.yaml"), KINDS);
  writeFileSync(join(folder, "issuers.yaml"), "tenant_header: X-App-Id\n");
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

/** Status and reason of a List with these lines among the headers, over HTTP/1.1. */
async function listOver(world: World, lines: string[], body: string): Promise<string> {
  const { hostname, port } = new URL(world.service.url);
  const socket = connect(Number(port), hostname);
  const head = ["POST /latchkey.v1.TokenService/List HTTP/1.1", "Host: x", "Content-Type: application/json"];
  const tail = [`Content-Length: ${body.length}`, "Connection: close", "", body];
  socket.end([...head, ...lines, ...tail].join("\r\n"), "latin1");
  const answer = await text(socket);
  return `${answer.slice(9, 12)} ${/"reason":"(\w+)"/.exec(answer)?.[1] ?? ""}`.trim();
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

    const list = (lines: string[], body = "{}") => listOver(world, lines, body);

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
        "X-App-Id: default",
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

describe("where a header names the tenant", () => {
  onSqlite(
    (world) => {
      const good = `Authorization: Bearer ${ROOT_TOKEN}`;
      const body = (tenant: string, rest = "") => `{"tenant":"${tenant}"${rest}}`;
      let own: string;
      let boss: string;
      beforeAll(async () => {
        const self = { kind: "plain", tenant: "acme", subject: "ada", scopes: ["latchkey:self"] };
        own = `Authorization: Bearer ${(await world.issue(self)).secret}`;
        const admin = { kind: "plain", tenant: "acme", subject: "boss", scopes: ["latchkey:admin"] };
        boss = `Authorization: Bearer ${(await world.issue(admin)).secret}`;
      });

      test("the root reaches that tenant and no other", async () => {
        const list = (lines: string[], text = "{}") => listOver(world, [good, ...lines], text);
        expect(await list([], body("globex"))).toBe("200");
        expect(await list(["X-App-Id: acme"], body("acme"))).toBe("200");
        expect(await list(["x-app-id: acme"], body("globex"))).toBe("403 OWNER_BEYOND_CALLER");
        expect(await list(["X-App-Id: acme"], body("default"))).toBe("403 OWNER_BEYOND_CALLER");
      });

      test("nobody else gets anywhere by it", async () => {
        for (const authorization of [own, boss]) {
          const list = (...lines: string[]) => listOver(world, [authorization, ...lines], "{}");
          expect(await list()).toBe("200");
          expect(await list("X-App-Id: acme")).toBe("200");
          expect(await list("X-App-Id: globex")).toBe("403 OWNER_BEYOND_CALLER");
          expect(await list("X-App-Id: default")).toBe("403 OWNER_BEYOND_CALLER");
        }
      });

      test("it is refused if it is there twice, empty, or no name, whoever calls", async () => {
        for (const authorization of [good, own, boss]) {
          for (const lines of [
            ["X-App-Id: acme", "X-App-Id: acme"],
            ["X-App-Id: acme", "x-app-id: globex"],
            ["X-App-Id:"],
            ["X-App-Id: acme, globex"],
            ["X-App-Id: soci\xc3\xa9t\xc3\xa9"],
            [`X-App-Id: ${"x".repeat(129)}`],
          ]) {
            expect(await listOver(world, [authorization, ...lines], "{}")).toBe("400 INVALID_REQUEST");
          }
        }
      });

      test("it gives nobody credentials, and no other header names a tenant", async () => {
        expect(await listOver(world, ["X-App-Id: acme"], "{}")).toBe("401 CREDENTIALS_MISSING");
        expect(await listOver(world, ["X-App-Id: acme", "Authorization: Bearer bad"], "{}")).toBe(
          "401 CREDENTIALS_INVALID",
        );
        for (const line of [
          "X-App-Id-Bin: Z2xvYmV4",
          "X-Tenant: globex",
          "X_App_Id: globex",
          "X-Forwarded-App-Id: globex",
        ]) {
          expect(await listOver(world, [own, line], "{}")).toBe("200");
        }
      });

      test("it goes by every protocol", async () => {
        const subject = "by-header";
        const headers = { "x-app-id": "acme" };
        const { token } = await world.connect().create({ kind: "plain", subject }, { headers });
        expect(token).toMatchObject({ tenant: "acme", creator: "root" });
        const grpc = createClient(TokenService, createGrpcTransport({ baseUrl: world.service.url }));
        const authorized = { ...headers, authorization: `Bearer ${ROOT_TOKEN}` };
        expect((await grpc.list({ subject }, { headers: authorized })).tokens).toHaveLength(1);
        expect(await refusalOf(grpc.list({ tenant: "globex" }, { headers: authorized }))).toBe(
          "PermissionDenied OWNER_BEYOND_CALLER",
        );
      });
    },
    () => ({ LATCHKEY_KINDS: join(folder, "kinds.yaml"), LATCHKEY_ISSUERS: join(folder, "issuers.yaml") }),
  );
});
