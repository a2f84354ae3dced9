import { expect, it } from "vitest";
import { recordKey } from "../../src/store/redis-keys.ts";
import { slotOf } from "../../src/store/redis-slots.ts";
import { born, create, introspect, peek, remove, rotate, setActive } from "../history/acts.ts";
import { findViolations } from "../history/check.ts";
import type { History } from "../history/history.ts";
import { computeFigures } from "./figures.ts";

const calls = { unavailable: 3, late: 2, slowest: 1234.5, overrun: -5 };

const figure = (history: History, shards = 1, span: [number, number] = [0, 100]) =>
  computeFigures({ history, violations: findViolations(history), calls, probes: [], span, shards });

it("tokens are lost that were made and not deleted, and are gone; each counts once", () => {
  const gone = [peek(4, 5, "t/1", "UNKNOWN"), introspect(6, 7, "t/1", "UNKNOWN")];
  expect(figure([born, ...gone])).toMatchObject({ lost: 1, revived: 0, otherwise: 0 });
  expect(figure([born, remove(2, 3), ...gone])).toMatchObject({ lost: 0 });
});

it.each([
  ["deleted", remove(2, 3)],
  ["switched off", setActive(2, 3, false)],
])("tokens are wrongly active that were %s, and are good; each counts once", (_, end) => {
  expect(figure([born, end, peek(4, 5), peek(6, 7)])).toMatchObject({ lost: 0, revived: 1, otherwise: 0 });
});

it("what else contradicts an answer is counted for itself", () => {
  expect(figure([born, rotate(2, 3, "t/2"), peek(4, 5)])).toMatchObject({ lost: 0, revived: 0, otherwise: 1 });
});

it("the longest time without service is that between two answers, or to where the clients began or ended", () => {
  const history = [born, peek(10, 20), peek(60, 70), peek(71, 79, "t/1", "INACTIVE"), peek(80, 85)];
  expect(figure(history)).toMatchObject({ withoutReads: 50, withoutWrites: 99 });
  expect(figure(history, 1, [0, 200])).toMatchObject({ withoutReads: 115 });
});

it("and of the shard that suffers most", () => {
  const isFirst = (id: string) => slotOf(recordKey(id)) < 16_384 / 2;
  const ids = Array.from({ length: 26 }, (_, n) => `${String.fromCharCode(97 + n)}xx1`);
  const [one = "", other = ""] = [ids.find(isFirst), ids.find((id) => !isFirst(id))];
  const history = [create(0, 10, one), create(0, 20, other), create(20, 30, one), create(55, 60, one)];
  expect(figure(history)).toMatchObject({ withoutWrites: 40 });
  expect(figure(history, 2)).toMatchObject({ withoutWrites: 80 });
});

it("calls are counted as they ended", () => {
  expect(figure([born, peek(2, 3)])).toMatchObject({
    acknowledged: 2,
    refused: 3,
    late: 2,
    slowest: 1235,
    overrun: 0,
    unready: undefined,
  });
});

it("is not ready when the last of the instances is not, by the last of both ways", () => {
  const probes = [{ unready: { http: [110, 120], grpc: [115] } }, { unready: { http: [150], grpc: [] } }];
  const records = { history: [], violations: [], calls, probes, span: [100, 200], shards: 1 } as const;
  expect(computeFigures(records).unready).toBe(50);
});
