import { expect, it } from "vitest";
import { BytePile } from "../../../src/wire/http2/byte-pile.ts";

it("holds all that was added, in its order, and gives it away once", () => {
  const pile = new BytePile();
  for (const piece of ["", "a", "bc", "", "def"]) pile.add(Buffer.from(piece));
  expect([pile.size, pile.peek().toString()]).toEqual([6, "abcdef"]);
  pile.add(Buffer.from("g"));
  const taken = pile.take();
  pile.add(Buffer.from("other"));
  expect([taken.toString(), pile.size, pile.peek().toString()]).toEqual(["abcdefg", 5, "other"]);
});

it("does not copy a piece that comes alone", () => {
  const piece = Buffer.from("alone");
  const pile = new BytePile();
  pile.add(piece);
  expect(pile.take()).toMatchObject({ buffer: piece.buffer, byteOffset: piece.byteOffset });
  expect(pile.take()).toHaveLength(0);
});

it("does not keep the packets alive of which its pieces are a part", () => {
  const pile = new BytePile();
  for (let i = 0; i < 100; i++) pile.add(Buffer.alloc(65_536, i).subarray(7, 8));
  expect(pile.peek()).toEqual(Buffer.from(Array.from({ length: 100 }, (_, i) => i)));
  expect(pile.peek().buffer.byteLength).toBeLessThan(10_000);
});

it("makes room seldom, so that all pieces together are copied a few times and not each time", () => {
  const pile = new BytePile();
  const rooms = new Set<ArrayBufferLike>();
  for (let i = 0; i < 1_000_000; i++) {
    pile.add(Buffer.of(i));
    rooms.add(pile.peek().buffer);
  }
  expect(rooms.size).toBeLessThan(25);
});
