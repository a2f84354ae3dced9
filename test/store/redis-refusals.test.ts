import { expect, test } from "vitest";
import { refusalIn } from "../../src/store/redis-refusals.ts";

const node = { host: "10.0.0.1", port: 7000 };
const answer = (message: string) => Object.assign(new Error(message), { name: "ReplyError" });

test.each([
  ["MOVED 3999 10.0.0.2:7001", { refusal: "moved", address: { host: "10.0.0.2", port: 7001 } }],
  ["MOVED 3999 :7001", { refusal: "moved", address: { host: "10.0.0.1", port: 7001 } }],
  ["MOVED 3999 ::1:7001", { refusal: "moved", address: { host: "::1", port: 7001 } }],
  ["ASK 3999 node-2.redis:7001", { refusal: "ask", address: { host: "node-2.redis", port: 7001 } }],
  ["TRYAGAIN Multiple keys request during rehashing of slot", { refusal: "again" }],
  ["CLUSTERDOWN The cluster is down", { refusal: "down" }],
  ["READONLY You can't write against a read only replica.", undefined],
  ["OOM command not allowed", undefined],
])("the answer %s is understood", (message, refusal) => {
  expect(refusalIn(answer(message), node)).toEqual(refusal);
});

test("a failure that only sounds like an answer is none", () => {
  expect(refusalIn(new Error("MOVED 1 h:1"), node)).toBeUndefined();
  expect(refusalIn("MOVED 1 h:1", node)).toBeUndefined();
});
