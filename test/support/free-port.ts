import { createServer } from "node:net";

// Below those that systems give to outgoing connections, so that a server which is down for a while finds its port free again.
const FIRST = 10_000;
const LAST = 32_767;

/** A port of this machine that nobody listens at. Another may take it before you do: try again with a new one. */
export async function findFreePort(): Promise<number> {
  while (true) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
