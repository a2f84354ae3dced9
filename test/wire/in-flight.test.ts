import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TokenError } from "../../src/errors.ts";
import { createInFlight } from "../../src/wire/in-flight.ts";

const DEADLINE = { reason: "DEADLINE_EXCEEDED" };
/** By how much a deadline may be late. */
const GRAIN = 5;

describe("calls in flight", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const shutdown = new AbortController();
  const createCall = () => ({ end: vi.fn(), place: -1, deadline: 0 });
  const createCalls = (count: number) => Array.from({ length: count }, () => createCall());

  it.each([
    ["ascending", [20, 40, 60, 10_000]],
    ["descending", [10_000, 60, 40, 20]],
    ["equal", [40, 40, 40, 40]],
  ])("end once each at their own deadlines, not before and hardly after, in %s order", (_order, timeouts) => {
    const inFlight = createInFlight(shutdown.signal);
    const calls = timeouts.map((timeout) => ({ timeout, ...createCall() }));
    const start = performance.now();
    for (const call of calls) inFlight.add(call, call.timeout);
    for (const now of new Set(timeouts.toSorted((a, b) => a - b))) {
      vi.advanceTimersByTime(now - 1 - (performance.now() - start));
      for (const call of calls) if (call.timeout === now) expect(call.end).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1 + GRAIN);
      for (const call of calls) expect(call.end).toHaveBeenCalledTimes(call.timeout <= now ? 1 : 0);
    }
    expect(calls[0]?.end).toHaveBeenCalledWith(expect.objectContaining(DEADLINE));
    expect(vi.getTimerCount()).toBe(0);
  });

  it("take one timer between them, and leave it alone when they are done in time", () => {
    const inFlight = createInFlight(shutdown.signal);
    const calls = createCalls(1000);
    for (const call of calls) inFlight.add(call, 50);
    expect(vi.getTimerCount()).toBe(1);
    for (const call of calls) inFlight.delete(call);
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
    for (const call of calls) expect(call.end).not.toHaveBeenCalled();
  });

  it("keep the deadline of one that comes when all before it are done", () => {
    const inFlight = createInFlight(shutdown.signal);
    const [first, second] = createCalls(2) as [ReturnType<typeof createCalls>[0], ReturnType<typeof createCalls>[0]];
    inFlight.add(first, 50);
    inFlight.delete(first);
    vi.advanceTimersByTime(200);
    inFlight.add(second, 50);
    vi.advanceTimersByTime(50 + GRAIN);
    expect(second.end).toHaveBeenCalledWith(expect.objectContaining(DEADLINE));
  });

  it("all end when the server can wait no longer, and so do those that come after", () => {
    const closing = new AbortController();
    const inFlight = createInFlight(closing.signal);
    const calls = createCalls(3);
    for (const call of calls.slice(0, 2)) inFlight.add(call, 1000);
    const reason = new TokenError("SHUTTING_DOWN", "the server is shutting down");
    closing.abort(reason);
    for (const call of calls.slice(2)) inFlight.add(call, 1000);
    for (const call of calls) expect(call.end.mock.calls).toEqual([[reason]]);
  });
});
