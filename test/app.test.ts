import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { startService } from "./support/service.ts";
import { createAuthority } from "./support/tls.ts";

test("a start that fails leaves nothing open behind it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-app-"));
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    blocker.close();
    rmSync(folder, { recursive: true });
  });
  const { port } = blocker.address() as { port: number };
  const variables = {
    LATCHKEY_STORE: `sqlite:${join(folder, "latchkey.db")}`,
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
  };
  await expect(startService({ ...variables, LATCHKEY_LISTEN: `127.0.0.1:${port}` })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });

  const service = await startService(variables);
  await expect(service.client().list({})).resolves.toMatchObject({ tokens: [] });
  await service.close();
});

test("a client certificate calls as whom the issuers file says, and as nobody else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-mtls-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const authority = createAuthority();
  const server = authority.issueServer();
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const rule = {
    match: { common_name: "orders" },
    tenant: "default",
    subject: "orders",
    scopes: ["latchkey:introspect"],
  };
  const service = await startService({
    LATCHKEY_TLS_CERT: write("cert.pem", server.cert),
    LATCHKEY_TLS_KEY: write("key.pem", server.key),
    LATCHKEY_TLS_CLIENT_CA: write("ca.pem", authority.cert),
    LATCHKEY_ISSUERS: write("issuers.json", JSON.stringify({ certificates: [rule] })),
  });
  onTestFinished(() => service.close());
  const connectAs = (identity: object) =>
    createClient(
      TokenService,
      createGrpcTransport({ baseUrl: service.url, nodeOptions: { ca: authority.cert, ...identity } }),
    );
  const reasonOf = (call: Promise<unknown>) =>
    call.catch((error) => ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason);

  const orders = connectAs(authority.issueClient("orders"));
  expect(await orders.introspect({ secret: "junk" })).toMatchObject({ active: false });
  expect(await reasonOf(orders.list({}))).toBe("PERMISSION_DENIED");
  expect(await reasonOf(connectAs(authority.issueClient("others")).list({}))).toBe("CREDENTIALS_INVALID");
  expect(await reasonOf(connectAs({}).list({}))).toBe("CREDENTIALS_MISSING");
});
