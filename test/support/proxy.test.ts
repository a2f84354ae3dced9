import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import { startProxy } from "./proxy.ts";
import { waitUntil } from "./wait.ts";

const cleanup: (() => unknown)[] = [];
afterEach(() => {
  for (const end of cleanup.splice(0).reverse()) end();
});

/** A client that has an echo behind a proxy. */
async function prepare() {
  let heard = "";
  const server = createServer((socket) => {
    socket
      .on("error", () => {})
      .on("data", (data) => {
        heard += data;
        socket.write(data);
      });
    socket.on("end", () => socket.end());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await startProxy((server.address() as AddressInfo).port);
  const client = connect(proxy.port, "127.0.0.1");
  let echoed = "";
  client.setEncoding("utf8").on("data", (text) => {
    echoed += text;
  });
  cleanup.push(
    () => server.close(),
    proxy.close,
    () => client.destroy(),
  );
  const untilEchoed = (text: string) => waitUntil(`the echo is ${text}`, async () => echoed === text);
  return { proxy, client, untilEchoed, echoed: () => echoed, heard: () => heard };
}

it("delays all that is sent, each way, and keeps its order", async () => {
  const { proxy, client, untilEchoed } = await prepare();
  proxy.delay(50);
  const start = performance.now();
  client.write("a");
  client.write("b");
  await untilEchoed("ab");
  expect(performance.now() - start).toBeGreaterThanOrEqual(100);
  client.write("c");
  proxy.delay(0);
  client.write("d");
  await untilEchoed("abcd");
});

it("is a black hole, out of which all comes in the end", async () => {
  const { proxy, client, untilEchoed, echoed } = await prepare();
  client.write("a");
  await untilEchoed("a");
  proxy.hold();
  client.write("b");
  const late = connect(proxy.port, "127.0.0.1");
  await once(late, "connect");
  late.end("late");
  expect(echoed()).toBe("a");
  proxy.release();
  await untilEchoed("ab");
  expect(String(await once(late, "data"))).toBe("late");
  await once(late, "close");
});

it("swallows answers, and breaks connections", async () => {
  const { proxy, client, untilEchoed, heard } = await prepare();
  client.write("a");
  await untilEchoed("a");
  proxy.swallowAnswers();
  client.write("b");
  await waitUntil("the server has heard it", async () => heard() === "ab");
  const closed = once(client, "close");
  proxy.cut();
  await closed;
  proxy.passAnswers();
  const next = connect(proxy.port, "127.0.0.1");
  next.end("c");
  expect(String(await once(next, "data"))).toBe("c");
  await untilEchoed("a");
});
