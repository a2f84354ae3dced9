import { createServer, type IncomingMessage } from "node:http";
import { announce, connectRedis } from "../../candidates/environment.ts";
import { createAuth } from "./auth.ts";

// Its verification is for servers only and has no endpoint, so the smallest possible one is put around it.

const auth = createAuth(connectRedis());

async function verify(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { key } = JSON.parse(Buffer.concat(chunks).toString());
  return JSON.stringify(await auth.api.verifyApiKey({ body: { key } }));
}

const server = createServer((request, response) => {
  verify(request).then(
    (text) => {
      response
        .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
        .end(text);
    },
    () => response.destroy(),
  );
});
announce(server);
