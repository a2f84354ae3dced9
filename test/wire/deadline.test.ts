import { EventEmitter, getEventListeners } from "node:events";
import { expect, it, vi } from "vitest";
import { TokenError } from "../../src/errors.ts";
import { limitCall, readTimeout } from "../../src/wire/deadline.ts";
import { createInFlight } from "../../src/wire/in-flight.ts";

it.each([
  [{}, undefined],
  [{ "grpc-timeout": "2H" }, 7_200_000],
  [{ "grpc-timeout": "3M" }, 180_000],
  [{ "grpc-timeout": "4S" }, 4000],
  [{ "grpc-timeout": "5m" }, 5],
  [{ "grpc-timeout": "6000u" }, 6],
  [{ "grpc-timeout": "7000000n" }, 7],
  [{ "connect-timeout-ms": "0" }, 0],
  [{ "connect-timeout-ms": "1e3" }, Number.NaN],
  [{ "grpc-timeout": "" }, Number.NaN],
])("reads the timeout of %j", (headers: Record<string, string>, expected) => {
  const timeout = readTimeout((name) => headers[name]);
  expect(timeout && Math.round(timeout)).toBe(expected);
});

it("ends a call for the first of its deadline, the shutdown and the client's leaving", async () => {
  const shutdown = new AbortController();
  const inFlight = createInFlight(shutdown.signal);
  const exchanges = Array.from({ length: 3 }, () => new EventEmitter());
  const [late, left, open] = exchanges.map((exchange, n) => limitCall(exchange, n === 0 ? 1 : 60_000, inFlight));
  exchanges[1]?.emit("close");
  expect(left?.reason).toMatchObject({ reason: "CANCELLED" });
  await vi.waitUntil(() => late?.aborted);
  expect(late?.reason).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  expect(open?.aborted).toBe(false);
  const reason = new TokenError("SHUTTING_DOWN", "the server is shutting down");
  shutdown.abort(reason);
  expect(open?.reason).toBe(reason);
  for (const exchange of exchanges) exchange.emit("close");
  expect([late?.reason, left?.reason, open?.reason]).toMatchObject([
    { reason: "DEADLINE_EXCEEDED" },
    { reason: "CANCELLED" },
    { reason: "SHUTTING_DOWN" },
  ]);
  expect(limitCall(new EventEmitter(), 60_000, inFlight).reason).toBe(reason);
});

it("takes one listener of the shutdown for all calls", () => {
  const shutdown = new AbortController();
  const inFlight = createInFlight(shutdown.signal);
  for (let count = 0; count < 3; count++) limitCall(new EventEmitter(), 60_000, inFlight);
  expect(getEventListeners(shutdown.signal, "abort")).toHaveLength(1);
});
