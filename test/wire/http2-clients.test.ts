import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished } from "vitest";
import { CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import type { RunningServer } from "../../src/wire/server.ts";
import { openPage } from "../support/browser.ts";
import { createAuthority } from "../support/tls.ts";
import { start } from "./fixtures.ts";
import { CREATE, frame } from "./raw.ts";

const run = promisify(execFile);
const authority = createAuthority();

/** Clients that share no code with Node's, in the clear and over TLS. */
const ways: [string, () => Promise<RunningServer>][] = [
  ["in the clear", () => start()],
  ["over TLS", () => start({ tls: authority.issueServer() })],
];

/** A file that is gone at the end of the test. */
function fileOf(content: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-body-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "body");
  writeFileSync(path, content);
  return path;
}

const message = (label: string) => frame(toBinary(CreateRequestSchema, create(CreateRequestSchema, { label })));
const GRPC = "content-type: application/grpc";

describe.each(ways)("%s", (_way, startServer) => {
  describe("curl", () => {
    const curl = async (server: RunningServer, path: string, ...args: string[]) => {
      const version = server.url.startsWith("https") ? "--http2" : "--http2-prior-knowledge";
      const { stdout } = await run("curl", ["-sSik", "--max-time", "10", version, ...args, server.url + path]);
      expect(stdout).toMatch(/^HTTP\/2 /);
      return stdout;
    };

    it("calls in JSON, and reads an endpoint, and its head", async () => {
      const server = await startServer();
      const call = await curl(server, CREATE, "-H", "content-type: application/json", "-d", '{"label":"from curl"}');
      expect(call).toContain('\\"label\\":\\"from curl\\"');
      expect(await curl(server, "/healthz")).toContain('{"status":"alive"}');
      expect(await curl(server, "/healthz", "-I")).toMatch(/content-length: 18\r\n/);
      expect(await curl(server, CREATE, "-I")).toMatch(/^HTTP\/2 405/);
      expect(await curl(server, "/nope")).toMatch(/^HTTP\/2 404/);
    });

    it("is asked for its body where it waits to be", async () => {
      const server = await startServer();
      const args = ["-H", "content-type: application/json", "-H", "expect: 100-continue", "-d", '{"label":"asked"}'];
      expect(await curl(server, CREATE, ...args)).toMatch(/^HTTP\/2 100[\s\S]*HTTP\/2 200/);
    });
  });

  describe("nghttp", () => {
    it("calls by gRPC, with padding, priorities and a small window", async () => {
      const server = await startServer();
      const body = fileOf(message("from nghttp"));
      const args = ["-v", "--padding=64", "--window-bits=10", "-H", GRPC, "-H", "te: trailers", "-d", body];
      const { stdout } = await run("nghttp", [...args, server.url + CREATE], { timeout: 10_000 });
      expect(stdout).toContain("from nghttp");
      expect(stdout).toMatch(/grpc-status: 0/);
    });

    it("sends trailers", async () => {
      const server = await startServer();
      const args = ["-v", "--trailer", "x-sum: 1", "-H", GRPC, "-d", fileOf(message("x"))];
      const { stdout } = await run("nghttp", [...args, server.url + CREATE], { timeout: 10_000 });
      expect(stdout).toMatch(/x-sum: 1/);
      expect(stdout).toMatch(/grpc-status: 0/);
    });

    it("hears that its headers are too large, which come in several frames", async () => {
      const server = await startServer();
      const { stdout } = await run("nghttp", ["-v", "--continuation", server.url + CREATE], { timeout: 10_000 });
      expect(stdout).toMatch(/:status: 431/);
    });
  });

  it("h2load: thousands of calls on a few connections, all of which succeed", async () => {
    const server = await startServer();
    const load = ["-n", "5000", "-c", "5", "-m", "100", "-H", GRPC, "-d", fileOf(message("load"))];
    const { stdout } = await run("h2load", [...load, server.url + CREATE], { timeout: 20_000 });
    expect(stdout).toContain("5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout");
    expect(stdout).toContain("status codes: 5000 2xx");
  });
});

it("Chromium speaks HTTP/2 over TLS", async () => {
  const server = await start({ tls: authority.issueServer() });
  const { page, close } = await openPage(join(import.meta.dirname, "../protocols/browser-entry.ts"));
  onTestFinished(close);
  await page.goto(`${server.url}/healthz`);
  const seen = await page.evaluate(async (path) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ label: "from Chromium" });
    const answers = Array.from({ length: 20 }, () => fetch(path, { method: "POST", headers, body }));
    const texts = await Promise.all(answers.map(async (answer) => (await answer).text()));
    const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
    return { protocol: navigation?.nextHopProtocol, texts };
  }, CREATE);
  expect(seen.protocol).toBe("h2");
  expect(seen.texts).toEqual(Array(20).fill(expect.stringContaining("from Chromium")));
});
