import { describe, expect, test } from "vitest";
import { createCaller, hasScope, nameOf, reaches, resolveOwner, resolveTenant } from "../../src/domain/caller.ts";
import { ada, admin, bob, callerOf, foreignAdmin, refusal, root, service, thrownBy, tokenOf } from "./world.ts";

const both = callerOf({ scopes: ["latchkey:self", "latchkey:introspect", "repo:read"] });
const nobody = callerOf({ scopes: ["repo:read"] });

describe("a caller", () => {
  test("has the scopes that were granted, and the permissions that they imply", () => {
    const caller = callerOf({ scopes: ["latchkey:admin", "repo:read", "repo:read"] });
    expect([...caller.scopes]).toEqual(["latchkey:admin", "repo:read"]);
    expect([...caller.permissions].sort()).toEqual(["latchkey:admin", "latchkey:introspect", "latchkey:self"]);
  });

  test.each([
    ["the root", root, "root"],
    ["anyone else, a root by its scope included", callerOf({ scopes: ["latchkey:root"] }), "acme/ada"],
    ["one that acts in another tenant, by where it comes from", callerOf({ homeTenant: "default" }), "default/ada"],
  ])("%s is named in the records that it makes", (_, caller, name) => {
    expect(nameOf(caller)).toBe(name);
  });

  test.each([
    ["no tenant", { tenant: "" }],
    ["no subject", { subject: "" }],
    ["a tenant of 129 bytes", { tenant: "x".repeat(129) }],
    ["a tenant of 65 characters in 130 bytes", { tenant: "é".repeat(65) }],
    ["a subject of 257 bytes", { subject: "x".repeat(257) }],
    ["a space in its subject", { subject: "ada lovelace" }],
    ["a line break at the end of its tenant", { tenant: "acme\n" }],
    ["a control character in its subject", { subject: "ada\u0000" }],
    ["an invisible character in its tenant", { tenant: "ac\u200bme" }],
    ["half a character in its subject", { subject: "ada\ud800" }],
  ])("is refused with %s", (_, changes) => {
    const caller = { credential: "jwt", tenant: "acme", subject: "ada", scopes: [], ...changes } as const;
    expect(thrownBy(() => createCaller(caller))).toMatchObject(
      refusal("CREDENTIALS_INVALID", "the credentials are not valid"),
    );
  });

  test.each([
    ["of the longest", { tenant: "x".repeat(128), subject: "y".repeat(256) }],
    ["of any language", { tenant: "société", subject: "エイダ" }],
    ["with slashes and colons", { tenant: "a/b", subject: "auth0|5f7c:x@example.com" }],
  ])("may have names %s", (_, changes) => {
    expect(callerOf(changes)).toMatchObject(changes);
  });
});

describe("which scopes a caller has", () => {
  test.each([
    ["everyone has the scopes granted to it", ada, "repo:read", true],
    ["nobody has a scope of another service that was not granted to it", ada, "repo:delete", false],
    ["scopes are compared by case", ada, "REPO:READ", false],
    ["a part of a scope is another scope", ada, "repo", false],
    ["an introspecting service has no scope of the services it serves", service, "repo:read", false],
    ["an administrator has every scope of other services", admin, "repo:delete", true],
    ["the root has every scope of other services", root, "repo:delete", true],
    ["self is self", ada, "latchkey:self", true],
    ["self is not introspect", ada, "latchkey:introspect", false],
    ["introspect is not self", service, "latchkey:self", false],
    ["self is not admin", ada, "latchkey:admin", false],
    ["an administrator has what admin implies", admin, "latchkey:introspect", true],
    ["an administrator is not the root", admin, "latchkey:root", false],
    ["the root is the root", root, "latchkey:root", true],
    ["a reserved scope that is no permission is nobody's, not even the root's", root, "latchkey:future", false],
    [
      "a reserved scope that is no permission is nobody's, even if it was granted",
      callerOf({ scopes: ["latchkey:future"] }),
      "latchkey:future",
      false,
    ],
  ])("%s", (_, caller, scope, expected) => {
    expect(hasScope(caller, scope)).toBe(expected);
  });
});

describe("which tokens a caller reaches", () => {
  test.each([
    ["one's own token within one's own scopes", ada, tokenOf({ scopes: ["repo:read"] }), true],
    ["one's own token without scopes", ada, tokenOf(), true],
    ["not one's own token with a scope that one lacks", ada, tokenOf({ scopes: ["repo:read", "repo:delete"] }), false],
    ["not one's own token with a permission that one lacks", ada, tokenOf({ scopes: ["latchkey:admin"] }), false],
    ["not somebody else's token", bob, tokenOf(), false],
    ["not the token of a namesake in another tenant", ada, tokenOf({ tenant: "globex" }), false],
    ["permission to introspect beside self adds nothing", both, tokenOf({ scopes: ["repo:write"] }), false],
    ["an administrator: every token of its tenant", admin, tokenOf({ scopes: ["anything"] }), true],
    ["an administrator: other administrators' tokens", admin, tokenOf({ scopes: ["latchkey:admin"] }), true],
    ["an administrator: not the root's tokens in its tenant", admin, tokenOf({ scopes: ["latchkey:root"] }), false],
    ["an administrator: no token of another tenant", foreignAdmin, tokenOf(), false],
    ["the root: every token", root, tokenOf({ tenant: "globex", scopes: ["latchkey:root"] }), true],
  ])("%s", (_, caller, token, expected) => {
    expect(reaches(caller, token)).toBe(expected);
  });
});

describe("whose tokens a request means", () => {
  const own = { tenant: "acme", subject: "ada" };
  test.each([
    ["the caller's own, if nothing is said", ada, "", "", own],
    ["the caller's own, if that is said", ada, "acme", "ada", own],
    ["an administrator's: another subject's, if that is said", admin, "", "bob", { tenant: "acme", subject: "bob" }],
    ["an administrator's: its own, if nothing is said", admin, "", "", { tenant: "acme", subject: "boss" }],
    ["the root's: anyone's", root, "globex", "bob", { tenant: "globex", subject: "bob" }],
  ])("%s", (_, caller, tenant, subject, expected) => {
    expect(resolveOwner(caller, tenant, subject)).toEqual(expected);
  });

  const foreignSubject = "subject: another subject than your own needs latchkey:admin";
  const foreignTenant = "tenant: another tenant than your own needs latchkey:root";
  test.each([
    ["another subject, without latchkey:admin", ada, "", "bob", foreignSubject],
    ["another subject, with latchkey:introspect", service, "", "bob", foreignSubject],
    ["another subject, without any permission", nobody, "", "bob", foreignSubject],
    ["a subject that differs in case", ada, "", "Ada", foreignSubject],
    ["another tenant, without latchkey:root", ada, "globex", "", foreignTenant],
    ["another tenant, as an administrator", admin, "globex", "boss", foreignTenant],
    ["another tenant and another subject", ada, "globex", "bob", foreignTenant],
  ])("is refused for %s", (_, caller, tenant, subject, message) => {
    expect(thrownBy(() => resolveOwner(caller, tenant, subject))).toMatchObject(
      refusal("OWNER_BEYOND_CALLER", message),
    );
  });

  test("a tenant alone goes by the same rule", () => {
    expect(resolveTenant(admin, "")).toBe("acme");
    expect(resolveTenant(admin, "acme")).toBe("acme");
    expect(resolveTenant(root, "globex")).toBe("globex");
    expect(thrownBy(() => resolveTenant(admin, "globex"))).toMatchObject(refusal("OWNER_BEYOND_CALLER", foreignTenant));
  });
});
