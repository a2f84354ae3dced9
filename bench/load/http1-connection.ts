import { connect } from "node:net";
import type { Answer, Connection, ConnectionOptions, Exchange } from "./connection.ts";

const HEAD_END = Buffer.from("\r\n\r\n");

/** HTTP/1.1 by hand: a kept connection that carries one call at a time. */
export function openHttp1({ url, path, headers, messages, onAnswer, onRead }: ConnectionOptions): Connection {
  const socket = connect(Number(url.port), url.hostname).setNoDelay();
  const lines = Object.entries({ host: url.host, "content-length": messages.bytes, ...headers });
  const head = Buffer.from(
    [`POST ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n"),
  );
  const waiting: Exchange[] = [];
  const queue: Buffer[] = [];
  let come: Buffer = Buffer.alloc(0);

  const connection: Connection = {
    get underWay() {
      return waiting.length;
    },
    call(exchange) {
      const request = Buffer.allocUnsafe(head.length + messages.bytes);
      head.copy(request);
      messages.write(request, head.length, exchange.pick);
      queue.push(request);
      waiting.push(exchange);
    },
    flush() {
      for (const request of queue.splice(0)) socket.write(request);
    },
    leave() {
      connection.call({ pick: 0, due: 0 });
      const request = queue.pop() as Buffer;
      connection.flush();
      socket.write(request.subarray(0, head.length + Math.floor(messages.bytes / 2)));
      socket.removeAllListeners("data").removeAllListeners("close").destroySoon();
    },
  };

  function takeAnswers(): void {
    while (waiting.length > 0) {
      const headEnd = come.indexOf(HEAD_END);
      if (headEnd < 0) return;
      const text = come.toString("latin1", 0, headEnd + 2);
      const [, length] = /\r\ncontent-length: (\d+)\r\n/i.exec(text) ?? [];
      if (length === undefined) throw new Error("answers without content-length are not provided for");
      const bodyEnd = headEnd + HEAD_END.length + Number(length);
      if (come.length < bodyEnd) return;
      const body = come.subarray(headEnd + HEAD_END.length, bodyEnd);
      come = come.subarray(bodyEnd);
      onAnswer(connection, waiting.shift() as Exchange, judge(text.slice(9, 12), body));
    }
  }

  socket.on("data", (chunk) => {
    come = come.length === 0 ? chunk : Buffer.concat([come, chunk]);
    takeAnswers();
    onRead(connection);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    for (const exchange of waiting.splice(0))
      onAnswer(connection, exchange, { fault: "the server closed the connection" });
  });
  return connection;
}

function judge(status: string, body: Buffer): Answer {
  return status === "200" ? { message: body } : { fault: `HTTP status ${status}: ${body.toString().slice(0, 200)}` };
}
