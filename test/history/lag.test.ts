import { describe, expect, test } from "vitest";
import { MAX_AGE } from "../../src/auth/caller-cache.ts";
import {
  ask,
  born,
  call,
  create,
  deleteAll,
  elsewhere,
  exchange,
  introspect,
  NEVER,
  peek,
  remove,
  rotate,
  setActive,
} from "./acts.ts";
import { findViolations } from "./check.ts";
import type { Operation } from "./history.ts";

describe("a caller that is let in too long after its token was taken back is reported:", () => {
  const LATE = 10 + MAX_AGE;
  const BROKEN: [what: string, history: Operation[], sentence: string][] = [
    [
      "good to introspect with after the bound upon a Delete elsewhere",
      [born, elsewhere(remove(2, 3)), ask(4 + MAX_AGE, LATE)],
      `t: Ask by t/1 (c, ${4 + MAX_AGE} ms to ${LATE} ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it`,
    ],
    [
      "good to introspect with after a Delete here, though others deleted it elsewhere long before",
      [born, elsewhere(remove(2, 3, "t", "PERMISSION_DENIED")), remove(6, 7), ask(8, 9)],
      [
        "t: Ask by t/1 (c, 8 ms to 9 ms) succeeded after Delete (c, 6 ms to 7 ms) had deleted it",
        "t: Delete (c, 2 ms to 3 ms) was answered PERMISSION_DENIED without a reason",
      ].join("\n"),
    ],
    [
      "good to introspect with after a Delete here that began before one elsewhere",
      [born, remove(2, 3), elsewhere(remove(3.5, 4, "t", "TOKEN_NOT_FOUND")), ask(5, 6)],
      "t: Ask by t/1 (c, 5 ms to 6 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "good to introspect with after it was switched off elsewhere, and the bound",
      [born, elsewhere(setActive(2, 3, false)), ask(4 + MAX_AGE, LATE)],
      `t: Ask by t/1 (c, ${4 + MAX_AGE} ms to ${LATE} ms) succeeded after SetActive (c, 2 ms to 3 ms) had switched it off`,
    ],
    [
      "good to introspect with after it was switched off here, too late for what was switched elsewhere",
      [
        born,
        elsewhere(setActive(2, 3, false)),
        setActive(4, 5, true),
        setActive(LATE, LATE + 1, false),
        ask(LATE + 2, LATE + 3),
      ],
      `t: Ask by t/1 (c, ${LATE + 2} ms to ${LATE + 3} ms) succeeded after SetActive (c, ${LATE} ms to ${LATE + 1} ms) had switched it off`,
    ],
    [
      "good to introspect with though made inactive elsewhere",
      [elsewhere(create(0, 1, "t", { inactive: true })), ask(2, 3)],
      "t: Ask by t/1 (c, 2 ms to 3 ms) succeeded after Create (c, 0 ms to 1 ms) had switched it off",
    ],
    [
      "good to introspect with by a secret that was replaced elsewhere, after the bound",
      [born, elsewhere(rotate(2, 3, "t/2")), ask(4 + MAX_AGE, LATE)],
      `t: Ask by t/1 (c, ${4 + MAX_AGE} ms to ${LATE} ms) succeeded after Rotate (c, 2 ms to 3 ms) had replaced the secret`,
    ],
    [
      "good to introspect with by a secret that was replaced here",
      [born, rotate(2, 3, "t/2"), ask(4, 5)],
      "t: Ask by t/1 (c, 4 ms to 5 ms) succeeded after Rotate (c, 2 ms to 3 ms) had replaced the secret",
    ],
    ...[introspect, peek, call].map((look): [string, Operation[], string] => [
      `good (${look(4, 5).type}) after a Delete elsewhere`,
      [born, elsewhere(remove(2, 3)), look(4, 5)],
      `t: ${look(4, 5).type} by t/1 (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it`,
    ]),
    [
      "found active after it was switched off elsewhere",
      [born, elsewhere(setActive(2, 3, false)), introspect(4, 5)],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) succeeded after SetActive (c, 2 ms to 3 ms) had switched it off",
    ],
    [
      "found active by a secret that was replaced elsewhere",
      [born, elsewhere(rotate(2, 3, "t/2")), introspect(4, 5)],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) succeeded after Rotate (c, 2 ms to 3 ms) had replaced the secret",
    ],
    [
      "good to introspect with by both secrets of two Rotates, after the bound",
      [
        born,
        rotate(2, 4, "t/2"),
        elsewhere(rotate(3, 5, "t/3")),
        ask(6 + MAX_AGE, LATE, "t/2"),
        elsewhere(ask(6 + MAX_AGE, LATE, "t/3")),
      ],
      "t: the secrets of Rotate (c, 2 ms to 4 ms) and Rotate (c, 3 ms to 5 ms) are both good",
    ],
  ];

  test.each(BROKEN)("%s", (_, history, sentence) => {
    expect(findViolations(history).join("\n")).toBe(sentence);
  });
});

describe("nothing is reported of a caller whose end may not be known yet:", () => {
  const SOUND: [what: string, history: Operation[]][] = [
    ["good to introspect with within the bound upon a Delete elsewhere", [born, elsewhere(remove(2, 3)), ask(4, 5)]],
    [
      "the same at the end of the bound, however long the call takes",
      [born, elsewhere(remove(2, 3)), ask(3 + MAX_AGE, 9000)],
    ],
    [
      "a child, after the Delete of its parent elsewhere",
      [born, exchange(2, 3, "t/1", "u"), elsewhere(remove(4, 5)), ask(6, 7, "u/1")],
    ],
    ["after a DeleteAll elsewhere", [born, elsewhere(deleteAll(2, 3)), ask(4, 5)]],
    ["after a DeleteAll here that found nothing left", [born, elsewhere(remove(2, 3)), deleteAll(4, 5), ask(6, 7)]],
    [
      "after a Delete here, if one elsewhere that was not answered may have been faster",
      [born, elsewhere(remove(2, NEVER)), deleteAll(4, 5), ask(6, 7)],
    ],
    ["after it was switched off elsewhere", [born, elsewhere(setActive(2, 3, false)), ask(4, 5)]],
    [
      "after it was switched off here, where it was off already",
      [born, elsewhere(setActive(2, 3, false)), setActive(4, 5, false), ask(6, 7)],
    ],
    ["by a secret that was replaced elsewhere", [born, elsewhere(rotate(2, 3, "t/2")), ask(4, 5)]],
    [
      "by both secrets of two Rotates at the same moment, through different instances",
      [born, rotate(2, 4, "t/2"), elsewhere(rotate(3, 5, "t/3")), ask(6, 7, "t/2"), elsewhere(ask(6, 7, "t/3"))],
    ],
  ];

  test.each(SOUND)("%s", (_, history) => {
    expect(findViolations(history)).toEqual([]);
    expect(findViolations(history.toReversed())).toEqual([]);
  });
});
