import { expect, it } from "vitest";
import {
  aliasKey,
  claimKey,
  idOfMember,
  indexKey,
  indexMember,
  labelKey,
  placesKey,
} from "../../src/store/redis-keys.ts";
import { newToken } from "./tokens.ts";

const token = (tenant: string, subject: string, kind = "k", label = "l") => {
  return newToken({ shardTag: () => "0Az" }, { tenant, subject }, { kind, label });
};

it("keeps owners of one shard apart, whatever slashes and signs are in their names", () => {
  const owners = [token("a/b", "c"), token("a", "b/c"), token("a%2Fb", "c"), token("a", "b%2Fc")];
  for (const key of [indexKey, placesKey, labelKey]) {
    expect(new Set(owners.map((owner) => key("0Az", owner))).size).toBe(owners.length);
  }
});

it("keeps kinds and labels of one shard apart", () => {
  const tokens = [token("a", "b", "c/k", "l"), token("a", "b", "c", "k/l"), token("a", "b/c", "k", "l")];
  expect(new Set(tokens.map((each) => labelKey("0Az", each))).size).toBe(tokens.length);
  expect(new Set(tokens.map((each) => placesKey("0Az", each))).size).toBe(tokens.length);
});

it("keeps a shard's claims apart from those of others and from aliases, whatever their names", () => {
  const keys = [claimKey("000", "a"), claimKey("001", "a"), claimKey("000", "b"), claimKey("000", "{001}:a")];
  expect(new Set([...keys, aliasKey("a"), aliasKey("{000}:a")]).size).toBe(6);
  for (const name of ["", "}", "{x}", "{}"]) expect(claimKey("0Az", name)).toMatch(/^lk:r:\{0Az\}:/);
});

it("names a token in an index by what gives its id back", () => {
  for (const purgeTime of [undefined, 0, 1_795_313_604_592]) {
    const member = indexMember({ ...token("a", "b"), id: "0Azabc", purgeTime });
    expect(idOfMember("0Az", member)).toBe("0Azabc");
  }
  expect(indexMember({ ...token("a", "b"), id: "0Azabc", purgeTime: 36_001 })).toBe("abc.11");
});
