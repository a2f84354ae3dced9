import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { chromium, type Page } from "playwright-core";
import { findOnPath } from "./system-tools.ts";

/** A page in a real browser, served from an origin of its own. */
export interface BrowserPage {
  readonly page: Page;
  readonly origin: string;
  close(): Promise<void>;
}

/** Opens a page that has run the module at `entry` in headless Chromium. It trusts every certificate. */
export async function openPage(entry: string): Promise<BrowserPage> {
  const site = await serveModule(entry);
  const browser = await chromium.launch({
    executablePath: findOnPath("chromium") as string,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  await page.goto(site.origin);
  return {
    page,
    origin: site.origin,
    async close() {
      await browser.close();
      site.close();
    },
  };
}

async function serveModule(entry: string): Promise<{ origin: string; close(): void }> {
  const bundle = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  const script = bundle.outputFiles[0]?.text ?? "";
  const server = createServer((request, response) => {
    const isScript = request.url === "/main.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html; charset=utf-8");
    response.end(
      isScript ? script : '<!doctype html><title>test</title><script type="module" src="/main.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() };
}
