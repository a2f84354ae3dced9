import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { slotOf } from "../../src/store/redis-slots.ts";
import { startRedis } from "../support/redis-server.ts";

test("a key has the slot that Redis gives it", async () => {
  const node = await startRedis({ cluster: true });
  onTestFinished(() => node.stop());
  const keys = [
    "",
    "123456789",
    "lk:meta",
    "{a}",
    "a{b}c",
    "a{}b{c}",
    "a{{b}}",
    "a{b",
    "a}b{c}d",
    "{}{a}",
    "ü{日本}",
    "😀",
  ];
  for (let n = 0; n < 2000; n++) keys.push(randomText());
  const slots = await Promise.all(keys.map((key) => node.admin.cluster("KEYSLOT", key)));
  expect(keys.map(slotOf)).toEqual(slots);
});

/** With braces, more often than not. */
function randomText(): string {
  return Array.from(randomBytes(10), (byte) => "{}ab:é"[byte % 6]).join("");
}
