import fc from "fast-check";
import { expect, test } from "vitest";
import { kindsSchema } from "../../src/config/kinds-schema.ts";

const FIELDS = [
  ...["name", "format", "prefix", "jwt", "default_lifetime", "max_lifetime", "allowed_lifetimes", "idle_timeout"],
  ...["permanent", "default_uses", "max_uses", "max_per_subject", "unique_labels", "reuse", "exchanges_to", "scheme"],
  ...["creators", "fresh_login", "retention"],
];

/** Values that some field takes, or nearly takes. */
const near = fc.constantFrom<unknown>(
  ...["a", "b", "aa", "jwt", "opaque", "permanent", "none", "1h", "1 month", "P1D", "Bearer", true, false, 1, 0, 1.5],
  ...[
    ["1h", "2d"],
    ["jwt"],
    [{ kind: "a" }],
    [{ kind: "b", rotate: true, consume: true }, null],
    { claims: { exp: "x" } },
  ],
);
const entry = fc.dictionary(fc.constantFrom(...FIELDS), fc.oneof({ weight: 4, arbitrary: near }, fc.jsonValue()));

test("values of any types are read or refused, never a crash", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.array(fc.oneof(entry, fc.jsonValue()))), (kinds) => {
      expect(() => kindsSchema.safeParse({ kinds })).not.toThrow();
      expect(() => kindsSchema.safeParse(kinds)).not.toThrow();
    }),
    { numRuns: 1000 },
  );
});

test("a fault of one field hides no contradiction of others", () => {
  const contradiction = { name: "a", prefix: "aa", scheme: "basic" };
  const wrong = [{ default_uses: "x" }, { max_uses: 1.5 }, { permanent: 1 }, { creators: "jwt" }, { jwt: [] }];
  for (const fault of [...wrong, { retention: "x" }, { idle_timeout: "1s" }, { exchanges_to: 1 }, { colour: "red" }]) {
    const { error } = kindsSchema.safeParse({ kinds: [{ ...contradiction, ...fault }] });
    const fields = error?.issues.map(
      (issue) => [...issue.path, ...(issue.code === "unrecognized_keys" ? issue.keys : [])][2],
    );
    expect(fields?.toSorted()).toEqual([...Object.keys(fault), "scheme"].toSorted());
  }
});
