import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of a port of this machine, which can lose what comes back. */
export interface LossyProxy {
  readonly port: number;
  /** From now on, what comes back is dropped. */
  swallowAnswers(): void;
  passAnswers(): void;
  /** Breaks all connections. New ones can be made. */
  cut(): void;
  close(): void;
}

export async function startProxy(target: number): Promise<LossyProxy> {
  const sockets = new Set<Socket>();
  let passes = true;
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) sockets.add(socket.on("error", () => {}));
    client.pipe(upstream);
    upstream.on("data", (data) => passes && client.write(data)).on("end", () => client.end());
    client.on("close", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    port: typeof address === "object" && address ? address.port : 0,
    swallowAnswers: () => {
      passes = false;
    },
    passAnswers: () => {
      passes = true;
    },
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}
