import { expect, it } from "vitest";
import { raceAbort } from "../../src/call/race-abort.ts";

it("does not wait for work under a signal that has aborted already", async () => {
  const reason = new Error("over");
  await expect(raceAbort(new Promise(() => undefined), AbortSignal.abort(reason))).rejects.toBe(reason);
});
