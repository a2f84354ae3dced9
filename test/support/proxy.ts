import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of a port of this machine, which can lose what comes back. */
export interface LossyProxy {
  readonly port: number;
  /** From now on, what comes back is dropped. */
  swallowAnswers(): void;
  passAnswers(): void;
  /** From now on, a connection over which something like this is sent gets no answer any more. */
  swallowAnswersTo(request: RegExp): void;
  /** From now on, what Redis publishes is dropped, and nothing else: nobody can tell that it is missing. */
  dropMessages(): void;
  /** Breaks all connections. New ones can be made. */
  cut(): void;
  close(): void;
}

/** How Redis announces what was published. */
const MESSAGE = "\r\nmessage\r\n";

export async function startProxy(target: number): Promise<LossyProxy> {
  const sockets = new Set<Socket>();
  let passes = true;
  let dropsMessages = false;
  let unanswered: RegExp | undefined;
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) sockets.add(socket.on("error", () => {}));
    let isAnswered = true;
    const isDropped = (data: Buffer) => !passes || !isAnswered || (dropsMessages && data.includes(MESSAGE));
    client.on("data", (data) => {
      if (unanswered?.test(data.toString("latin1"))) isAnswered = false;
    });
    client.pipe(upstream);
    upstream.on("data", (data) => isDropped(data) || client.write(data)).on("end", () => client.end());
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
    swallowAnswersTo: (request) => {
      unanswered = request;
    },
    dropMessages: () => {
      dropsMessages = true;
    },
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}
