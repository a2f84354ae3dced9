import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startService } from "./support/service.ts";

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
