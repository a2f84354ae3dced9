import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of a server, which can do what networks do. */
export interface TcpProxy {
  readonly port: number;
  /** From now on, what comes back is dropped. */
  swallowAnswers(): void;
  passAnswers(): void;
  /** From now on, a connection over which something like this is sent gets no answer any more. */
  swallowAnswersTo(request: RegExp): void;
  /** From now on, what Redis publishes is dropped, and nothing else: nobody can tell that it is missing. */
  dropMessages(): void;
  /** From now on, all that is sent arrives so many milliseconds later, each way. 0 is as it was. */
  delay(milliseconds: number): void;
  /** A black hole: connections stay, new ones are accepted, and nothing arrives. */
  hold(): void;
  /** Ends the black hole. What was sent in the meantime arrives, as it does when TCP sends it again. */
  release(): void;
  /** Breaks all connections. New ones can be made. */
  cut(): void;
  close(): void;
}

/** How Redis announces what was published. */
const MESSAGE = "\r\nmessage\r\n";

/** What holds for all connections now. */
interface Weather {
  passesAnswers: boolean;
  delay: number;
  held: boolean;
  dropsMessages: boolean;
  unanswered: RegExp | undefined;
}

export async function startProxy(target: number, host = "127.0.0.1"): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const lanes = new Set<() => void>();
  const weather: Weather = {
    passesAnswers: true,
    delay: 0,
    held: false,
    dropsMessages: false,
    unanswered: undefined,
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ port: target, host, allowHalfOpen: true, noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket.on("error", () => {}));
      socket.once("close", () => sockets.delete(socket));
    }
    let isAnswered = true;
    openLane(client, upstream, weather, lanes, (data) => {
      if (weather.unanswered?.test(data.toString("latin1"))) isAnswered = false;
      return true;
    });
    openLane(upstream, client, weather, lanes, (data) => {
      return weather.passesAnswers && isAnswered && !(weather.dropsMessages && data.includes(MESSAGE));
    });
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
      weather.passesAnswers = false;
    },
    passAnswers: () => {
      weather.passesAnswers = true;
    },
    delay: (milliseconds) => {
      weather.delay = milliseconds;
    },
    hold: () => {
      weather.held = true;
    },
    release: () => {
      weather.held = false;
      for (const flush of lanes) flush();
    },
    swallowAnswersTo: (request) => {
      weather.unanswered = request;
    },
    dropMessages: () => {
      weather.dropsMessages = true;
    },
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}

/** Carries what one socket says to the other, in order. `lanes` has, as long as it lives, how to make it look again. */
function openLane(
  from: Socket,
  to: Socket,
  weather: Weather,
  lanes: Set<() => void>,
  passes: (data: Buffer) => boolean,
): void {
  const onTheWay: { readonly event: Buffer | "end" | "reset"; readonly due: number }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const deliver = (event: Buffer | "end" | "reset") => {
    if (event === "reset") to.destroy();
    else if (event === "end") to.end();
    else if (passes(event)) to.write(event);
    if (typeof event === "string") lanes.delete(flush);
  };
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    for (let next = onTheWay[0]; next !== undefined && !weather.held; next = onTheWay[0]) {
      const wait = next.due - performance.now();
      if (wait > 0) {
        timer = setTimeout(flush, wait);
        return;
      }
      onTheWay.shift();
      deliver(next.event);
    }
  };
  const send = (event: Buffer | "end" | "reset") => {
    onTheWay.push({ event, due: weather.delay === 0 ? 0 : performance.now() + weather.delay });
    if (timer === undefined) flush();
  };
  lanes.add(flush);
  from.on("data", send).once("end", () => send("end"));
  from.once("close", (failed) => failed && send("reset"));
}
