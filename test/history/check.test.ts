import { describe, expect, test } from "vitest";
import {
  born,
  call,
  create,
  deleteAll,
  exchange,
  get,
  introspect,
  limited,
  NEVER,
  onFirstUse,
  peek,
  refusedExchange,
  remove,
  rotate,
  setActive,
  update,
} from "./acts.ts";
import { findViolations } from "./check.ts";
import type { Operation } from "./history.ts";

describe("a broken history is reported, in one sentence:", () => {
  const BROKEN: [what: string, history: Operation[], sentence: string][] = [
    [
      "active after a Delete",
      [born, remove(2, 3), introspect(4, 5)],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "active to look at after a Delete",
      [born, remove(2, 3), peek(4, 5)],
      "t: Peek by t/1 (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "good to call with after a Delete",
      [born, remove(2, 3), call(4, 5)],
      "t: Call by t/1 (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "exchanged after a Delete",
      [born, remove(2, 3), exchange(4, 5, "t/1", "u")],
      "t: Exchange by t/1 (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "changed after a Delete",
      [born, remove(2, 3), update(4, 5)],
      "t: Update (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "got after a Delete",
      [born, remove(2, 3), get(4, 5)],
      "t: Get (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "not found though nobody deleted it",
      [born, get(2, 3, "TOKEN_NOT_FOUND")],
      "t: Get (c, 2 ms to 3 ms) was answered TOKEN_NOT_FOUND without a reason",
    ],
    [
      "deleted twice",
      [born, remove(2, 3), remove(4, 5)],
      "t: Delete (c, 4 ms to 5 ms) succeeded after Delete (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "active after a DeleteAll",
      [born, deleteAll(2, 3, { kinds: ["y", "x"], exceptIds: ["u"] }), introspect(4, 5)],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) succeeded after DeleteAll (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "active after a DeleteAll of all subjects",
      [born, deleteAll(2, 3, { subject: "" }), introspect(4, 5)],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) succeeded after DeleteAll (c, 2 ms to 3 ms) had deleted it",
    ],
    [
      "a child active after the Delete of its parent",
      [born, exchange(2, 3, "t/1", "u"), remove(4, 5), introspect(6, 7, "u/1")],
      "u: Introspect by u/1 (c, 6 ms to 7 ms) succeeded after Delete (c, 4 ms to 5 ms), of its ancestor t had deleted it",
    ],
    [
      "a child active that was made while its parent was deleted",
      [born, remove(2, 5), exchange(3, 6, "t/1", "u"), introspect(7, 8, "u/1")],
      "u: Introspect by u/1 (c, 7 ms to 8 ms) succeeded after Delete (c, 2 ms to 5 ms), of its ancestor t had deleted it",
    ],
    [
      "a grandchild active after a DeleteAll that meant the eldest",
      [
        born,
        exchange(2, 3, "t/1", "u"),
        exchange(4, 5, "u/1", "v"),
        deleteAll(6, 7, { exceptIds: ["u", "v"] }),
        introspect(8, 9, "v/1"),
      ],
      "v: Introspect by v/1 (c, 8 ms to 9 ms) succeeded after DeleteAll (c, 6 ms to 7 ms), of its ancestor t had deleted it",
    ],
    [
      "active after a spent secret of it was presented that it dies of",
      [
        create(0, 1, "t", { diesOfReuse: true }),
        exchange(2, 3, "t/1", "u", "t/2"),
        introspect(4, 5, "t/1", "SPENT"),
        peek(6, 7, "t/2"),
      ],
      "t: Peek by t/2 (c, 6 ms to 7 ms) succeeded after Introspect by t/1 (c, 4 ms to 5 ms) had deleted it",
    ],
    [
      "active after it was switched off",
      [born, setActive(2, 3, false), introspect(4, 5)],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) succeeded after SetActive (c, 2 ms to 3 ms) had switched it off",
    ],
    [
      "active after it was switched on and then off",
      [born, setActive(2, 3, true), setActive(4, 5, false), introspect(6, 7)],
      "t: Introspect by t/1 (c, 6 ms to 7 ms) succeeded after SetActive (c, 4 ms to 5 ms) had switched it off",
    ],
    [
      "active though made inactive",
      [create(0, 1, "t", { inactive: true }), introspect(2, 3)],
      "t: Introspect by t/1 (c, 2 ms to 3 ms) succeeded after Create (c, 0 ms to 1 ms) had switched it off",
    ],
    [
      "used once too often, one after the other",
      [limited(1), introspect(2, 3), introspect(4, 5)],
      "t: was used 2 times, of 1: Introspect by t/1 (c, 2 ms to 3 ms), Introspect by t/1 (c, 4 ms to 5 ms)",
    ],
    [
      "used once too often, at the same moment",
      [limited(2), introspect(2, 9), introspect(2, 9), exchange(2, 9, "t/1", "u")],
      "t: was used 3 times, of 2: Introspect by t/1 (c, 2 ms to 9 ms), Introspect by t/1 (c, 2 ms to 9 ms), " +
        "Exchange by t/1 (c, 2 ms to 9 ms)",
    ],
    [
      "active to look at after its last use",
      [limited(1), introspect(2, 3), peek(4, 5)],
      "t: Peek by t/1 (c, 4 ms to 5 ms) found it active after all 1 uses were taken",
    ],
    [
      "active before it was made",
      [introspect(0, 1), create(2, 3)],
      "t: Introspect by t/1 (c, 0 ms to 1 ms) succeeded before Create (c, 2 ms to 3 ms) had made its secret",
    ],
    [
      "active by a secret before it was made",
      [born, introspect(2, 3, "t/2"), rotate(4, 5, "t/2")],
      "t: Introspect by t/2 (c, 2 ms to 3 ms) succeeded before Rotate (c, 4 ms to 5 ms) had made its secret",
    ],
    [
      "active after its expiry",
      [create(0, 1, "t", { expires: 100 }), introspect(151, 152)],
      "t: Introspect by t/1 (c, 151 ms to 152 ms) succeeded after its expiry",
    ],
    [
      "active by an old secret after a Rotate without grace",
      [born, rotate(2, 3, "t/2"), introspect(4, 5, "t/1")],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) succeeded after Rotate (c, 2 ms to 3 ms) had replaced the secret",
    ],
    [
      "active by an old secret after the grace",
      [born, rotate(2, 3, "t/2", { grace: 10 }), introspect(19, 20, "t/1")],
      "t: Introspect by t/1 (c, 19 ms to 20 ms) succeeded after Rotate (c, 2 ms to 3 ms) had replaced the secret",
    ],
    [
      "active by an old secret after the first use of the new one",
      [born, rotate(2, 3, "t/2", onFirstUse()), call(4, 5, "t/2"), introspect(6, 7, "t/1")],
      "t: Introspect by t/1 (c, 6 ms to 7 ms) succeeded after Rotate (c, 2 ms to 3 ms) had replaced the secret",
    ],
    [
      "active by an old secret after the grace that began with the first use",
      [born, rotate(2, 3, "t/2", onFirstUse(10)), introspect(4, 5, "t/2"), introspect(21, 22, "t/1")],
      "t: Introspect by t/1 (c, 21 ms to 22 ms) succeeded after Rotate (c, 2 ms to 3 ms) had replaced the secret",
    ],
    [
      "active by a secret that was never used and replaced by a newer one",
      [born, rotate(2, 3, "t/2", onFirstUse()), rotate(4, 5, "t/3", onFirstUse()), introspect(6, 7, "t/2")],
      "t: Introspect by t/2 (c, 6 ms to 7 ms) succeeded after Rotate (c, 4 ms to 5 ms) had replaced the secret",
    ],
    [
      "exchanged by a secret after it was spent",
      [born, exchange(2, 3, "t/1", "u", "t/2"), exchange(4, 5, "t/1", "v", "t/3")],
      "t: Exchange by t/1 (c, 4 ms to 5 ms) succeeded after Exchange by t/1 (c, 2 ms to 3 ms) had replaced the secret",
    ],
    [
      "exchanged twice by a secret at the same moment",
      [born, exchange(2, 4, "t/1", "u", "t/2"), exchange(3, 5, "t/1", "v", "t/3")],
      "t: Exchange by t/1 (c, 2 ms to 4 ms) and Exchange by t/1 (c, 3 ms to 5 ms) both succeeded",
    ],
    [
      "good by both secrets of two Rotates at the same moment",
      [born, rotate(2, 4, "t/2"), rotate(3, 5, "t/3"), peek(6, 7, "t/2"), introspect(6, 7, "t/3")],
      "t: the secrets of Rotate (c, 2 ms to 4 ms) and Rotate (c, 3 ms to 5 ms) are both good",
    ],
    ...["UNKNOWN", "SPENT", "EXHAUSTED", "INACTIVE", "EXPIRED", "MALFORMED"].map(
      (reason): [string, Operation[], string] => [
        `${reason} without a reason`,
        [born, introspect(2, 3, "t/1", reason)],
        `t: Introspect by t/1 (c, 2 ms to 3 ms) was answered ${reason} without a reason`,
      ],
    ),
    [
      "not good to call with, without a reason",
      [born, call(2, 3, "t/1", "CREDENTIALS_INVALID")],
      "t: Call by t/1 (c, 2 ms to 3 ms) was answered CREDENTIALS_INVALID without a reason",
    ],
    [
      "not found, without a reason",
      [born, update(2, 3, "TOKEN_NOT_FOUND")],
      "t: Update (c, 2 ms to 3 ms) was answered TOKEN_NOT_FOUND without a reason",
    ],
    [
      "unknown, though the DeleteAll was over before it was made",
      [deleteAll(0, 1), create(2, 3), introspect(4, 5, "t/1", "UNKNOWN")],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) was answered UNKNOWN without a reason",
    ],
    [
      "unknown, though the Delete was refused",
      [born, remove(2, 3, "t", "PERMISSION_DENIED"), introspect(4, 5, "t/1", "UNKNOWN")],
      [
        "t: Delete (c, 2 ms to 3 ms) was answered PERMISSION_DENIED without a reason",
        "t: Introspect by t/1 (c, 4 ms to 5 ms) was answered UNKNOWN without a reason",
      ].join("\n"),
    ],
    [
      "inactive, though it was switched on again",
      [born, setActive(2, 3, false), setActive(4, 5, true), introspect(6, 7, "t/1", "INACTIVE")],
      "t: Introspect by t/1 (c, 6 ms to 7 ms) was answered INACTIVE without a reason",
    ],
    [
      "exhausted, though a use was left",
      [limited(2), introspect(2, 3), peek(4, 5), introspect(6, 7, "t/1", "EXHAUSTED")],
      "t: Introspect by t/1 (c, 6 ms to 7 ms) was answered EXHAUSTED without a reason",
    ],
    [
      "spent, though the grace goes on",
      [born, rotate(2, 3, "t/2", { grace: 1000 }), introspect(4, 5, "t/1", "SPENT")],
      "t: Introspect by t/1 (c, 4 ms to 5 ms) was answered SPENT without a reason",
    ],
    [
      "spent, though the new secret was only looked at",
      [born, rotate(2, 3, "t/2", onFirstUse()), peek(4, 5, "t/2"), introspect(6, 7, "t/1", "SPENT")],
      "t: Introspect by t/1 (c, 6 ms to 7 ms) was answered SPENT without a reason",
    ],
    [
      "spent, though it is the newest",
      [born, rotate(2, 3, "t/2"), introspect(4, 5, "t/2", "SPENT")],
      "t: Introspect by t/2 (c, 4 ms to 5 ms) was answered SPENT without a reason",
    ],
  ];

  test.each(BROKEN)("%s", (_, history, sentence) => {
    expect(findViolations(history).join("\n")).toBe(sentence);
  });
});

describe("nothing is reported that could have happened:", () => {
  const SOUND: [what: string, history: Operation[]][] = [
    ["active while the Delete is under way", [born, remove(2, 5), introspect(4, 6)]],
    ["active while the Delete is not answered", [born, remove(2, NEVER), introspect(400, 401)]],
    ["unknown after a Delete that was not answered", [born, remove(2, NEVER), introspect(400, 401, "t/1", "UNKNOWN")]],
    ["unknown while the Delete is under way", [born, remove(2, 5), introspect(1.5, 3, "t/1", "UNKNOWN")]],
    [
      "two Deletes at the same moment, of which one finds nothing",
      [born, remove(2, 5), remove(3, 4, "t", "TOKEN_NOT_FOUND")],
    ],
    ["active after a DeleteAll of another subject", [born, deleteAll(2, 3, { subject: "bob" }), introspect(4, 5)]],
    ["active after a DeleteAll of other kinds", [born, deleteAll(2, 3, { kinds: ["y"] }), introspect(4, 5)]],
    ["active after a DeleteAll that leaves it out", [born, deleteAll(2, 3, { exceptIds: ["t"] }), introspect(4, 5)]],
    ["active after a DeleteAll that overlaps its Create", [create(0, 2), deleteAll(1, 3), introspect(4, 5)]],
    [
      "unknown after a DeleteAll that overlaps its Create",
      [create(0, 2), deleteAll(1, 3), introspect(4, 5, "t/1", "UNKNOWN")],
    ],
    [
      "a child unknown after the Delete of its parent",
      [born, exchange(2, 3, "t/1", "u"), remove(4, 5), introspect(6, 7, "u/1", "UNKNOWN")],
    ],
    [
      "a child active while its parent is deleted",
      [born, exchange(2, 3, "t/1", "u"), remove(4, 8), introspect(6, 7, "u/1")],
    ],
    [
      "a parent active after the Delete of its child",
      [born, exchange(2, 3, "t/1", "u"), remove(4, 5, "u"), introspect(6, 7)],
    ],
    [
      "dead of a spent secret, and a child with it",
      [
        create(0, 1, "t", { diesOfReuse: true }),
        exchange(2, 3, "t/1", "u", "t/2"),
        refusedExchange(4, 5, "t/1", "SECRET_SPENT"),
        introspect(6, 7, "t/2", "UNKNOWN"),
        introspect(6, 7, "u/1", "UNKNOWN"),
      ],
    ],
    [
      "alive after a spent secret was only looked at",
      [
        create(0, 1, "t", { diesOfReuse: true }),
        exchange(2, 3, "t/1", "u", "t/2"),
        peek(4, 5, "t/1", "SPENT"),
        introspect(6, 7, "t/2"),
      ],
    ],
    ["active while it is switched off", [born, setActive(2, 5, false), introspect(4, 6)]],
    ["active while it is switched on again", [born, setActive(2, 3, false), setActive(4, 9, true), introspect(5, 6)]],
    [
      "active while two turn the switch to and fro",
      [born, setActive(2, 4, false), setActive(3, 5, true), introspect(6, 7)],
    ],
    [
      "inactive while two turn the switch",
      [born, setActive(2, 4, false), setActive(3, 5, true), introspect(6, 7, "t/1", "INACTIVE")],
    ],
    [
      "active after it may have been switched on",
      [born, setActive(2, 3, false), setActive(4, NEVER, true), introspect(9, 10)],
    ],
    [
      "inactive after it may have been switched off",
      [born, setActive(2, NEVER, false), introspect(9, 10, "t/1", "INACTIVE")],
    ],
    ["inactive as it was made", [create(0, 1, "t", { inactive: true }), introspect(2, 3, "t/1", "INACTIVE")]],
    [
      "used as often as it may",
      [limited(2), introspect(2, 3), peek(4, 5), introspect(6, 7), introspect(8, 9, "t/1", "EXHAUSTED")],
    ],
    [
      "exhausted by a use that was not answered",
      [limited(1), introspect(2, NEVER), introspect(9, 10, "t/1", "EXHAUSTED")],
    ],
    ["used after a use that was not answered", [limited(1), introspect(2, NEVER), introspect(9, 10)]],
    ["not good to call with, having limited uses", [limited(2), call(2, 3, "t/1", "CREDENTIALS_INVALID")]],
    ["looked at while the last use is taken", [limited(1), introspect(2, 5), peek(4, 6)]],
    [
      "one-time, of many at the same moment one wins",
      [
        limited(1),
        introspect(2, 9),
        introspect(2, 9, "t/1", "EXHAUSTED"),
        refusedExchange(2, 9, "t/1", "TOKEN_NOT_ACTIVE"),
      ],
    ],
    ["active while it is made", [create(0, 5), introspect(3, 4)]],
    [
      "active at its expiry, and expired after it",
      [create(0, 1, "t", { expires: 100 }), introspect(99, 101), introspect(110, 111, "t/1", "EXPIRED")],
    ],
    ["active by an old secret while it is replaced", [born, rotate(2, 5, "t/2"), introspect(4, 6)]],
    ["active by an old secret after a Rotate that was not answered", [born, rotate(2, NEVER), introspect(90, 91)]],
    ["spent after a Rotate that was not answered", [born, rotate(2, NEVER), introspect(90, 91, "t/1", "SPENT")]],
    ["active by an old secret in its grace", [born, rotate(2, 3, "t/2", { grace: 10 }), introspect(12, 14)]],
    ["spent after the grace", [born, rotate(2, 3, "t/2", { grace: 10 }), introspect(19, 20, "t/1", "SPENT")]],
    [
      "active by an old secret before the first use of the new one",
      [born, rotate(2, 3, "t/2", onFirstUse()), peek(4, 5, "t/2"), introspect(6, 7)],
    ],
    [
      "active by an old secret during the first use of the new one",
      [born, rotate(2, 3, "t/2", onFirstUse()), introspect(4, 9, "t/2"), introspect(6, 7)],
    ],
    [
      "spent during the first use of the new one",
      [born, rotate(2, 3, "t/2", onFirstUse()), introspect(4, 9, "t/2"), introspect(6, 7, "t/1", "SPENT")],
    ],
    [
      "active by a pending secret that took effect before the next",
      [
        born,
        rotate(2, 3, "t/2", onFirstUse()),
        introspect(4, 5, "t/2"),
        rotate(6, 7, "t/3", { grace: 50 }),
        introspect(8, 9, "t/2"),
      ],
    ],
    [
      "spent, never used and replaced",
      [
        born,
        rotate(2, 3, "t/2", onFirstUse()),
        rotate(4, 5, "t/3", onFirstUse()),
        introspect(6, 7, "t/2", "SPENT"),
        introspect(8, 9),
      ],
    ],
    [
      "the oldest secret spent when there are more graces than there may be",
      [
        born,
        ...Array.from({ length: 9 }, (_, n) => rotate(2 + n, 2.5 + n, `t/${n + 2}`, { grace: 9000 })),
        peek(20, 21, "t/1", "SPENT"),
      ],
    ],
    [
      "two Rotates at the same moment, of which either comes last",
      [born, rotate(2, 4, "t/2"), rotate(3, 5, "t/3"), introspect(6, 7, "t/2"), introspect(6, 7, "t/3", "SPENT")],
    ],
    [
      "two Rotates at the same moment, one with a grace",
      [born, rotate(2, 4, "t/2"), rotate(3, 5, "t/3", { grace: 50 }), introspect(6, 7, "t/2"), introspect(6, 7, "t/3")],
    ],
    [
      "two Exchanges of one secret, of which one wins",
      [born, exchange(2, 4, "t/1", "u", "t/2"), refusedExchange(3, 5, "t/1", "SECRET_SPENT"), introspect(6, 7, "t/2")],
    ],
    [
      "two Exchanges of a secret that does not rotate",
      [born, exchange(2, 4, "t/1", "u"), exchange(3, 5, "t/1", "v"), introspect(6, 7, "v/1")],
    ],
  ];

  test.each(SOUND)("%s", (_, history) => {
    expect(findViolations(history)).toEqual([]);
    expect(findViolations(history.toReversed())).toEqual([]);
  });
});
