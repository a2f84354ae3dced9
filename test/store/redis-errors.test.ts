import { expect, test } from "vitest";
import { describeError } from "../../src/store/redis-errors.ts";

const SENTINELS = {
  sentinels: [
    { host: "a", port: 1 },
    { host: "b", port: 2 },
  ],
  name: "main",
};

test("an error tells where it was, and nothing of the command's arguments", () => {
  const error = new Error("Socket timeout. Expecting data, with args: secret-word");
  expect(describeError(error, { host: "h", port: 6379 }).message).toBe(
    "Redis at h:6379: Socket timeout. Expecting data",
  );
  const silent = Object.assign(new Error(""), { code: "ECONNREFUSED" });
  expect(describeError(silent, { host: "h", port: 6379 }).message).toBe("Redis at h:6379: ECONNREFUSED");
  expect(describeError("secret-word", { host: "h", port: 6379 }).message).toBe("Redis at h:6379: unknown failure");
});

test("that no sentinel can be reached is one reason, however often it was tried", () => {
  const messages = [50, 100, 250].map((delay) => {
    const error = new Error(`All sentinels are unreachable. Retrying from scratch after ${delay}ms. Last error: x`);
    return describeError(error, SENTINELS).message;
  });
  expect(new Set(messages)).toEqual(
    new Set(["Redis master main of the sentinels at a:1,b:2: All sentinels are unreachable. Last error: x"]),
  );
});
