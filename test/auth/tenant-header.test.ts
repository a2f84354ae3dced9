import { describe, expect, test } from "vitest";
import { createAuthenticator, digestRootToken } from "../../src/auth/authenticate.ts";
import { actInTenant, withTenantHeader } from "../../src/auth/tenant-header.ts";
import { nameOf, reaches } from "../../src/domain/caller.ts";
import { builtInKinds } from "../../src/domain/kinds.ts";
import { ada, admin, callerOf, refusal, root, service, thrownBy, tokenOf } from "../domain/world.ts";
import { metadataOf, NOW, peer } from "./fixtures.ts";

const HEADER = "x-app-id";
const act = (caller: typeof root, ...values: string[]) => actInTenant(caller, HEADER, values);
const robot = callerOf({
  credential: "token",
  tenant: "default",
  subject: "robot",
  scopes: ["latchkey:root", "repo:read"],
  authTime: NOW,
});

describe("a caller with latchkey:root", () => {
  test("is an administrator of the tenant that the header names, and of no other", () => {
    const caller = act(root, "acme");
    expect(caller).toMatchObject({ credential: "root", tenant: "acme", subject: "root" });
    expect([...caller.permissions].toSorted()).toEqual(["latchkey:admin", "latchkey:introspect", "latchkey:self"]);
    expect(reaches(caller, tokenOf({ tenant: "acme", subject: "ada" }))).toBe(true);
    expect(reaches(caller, tokenOf({ tenant: "globex" }))).toBe(false);
    expect(reaches(caller, tokenOf({ tenant: "default" }))).toBe(false);
    expect(reaches(caller, tokenOf({ tenant: "acme", scopes: ["latchkey:root"] }))).toBe(false);
  });

  test("keeps the rest of what it is", () => {
    expect(act(robot, "acme")).toMatchObject({
      credential: "token",
      subject: "robot",
      authTime: NOW,
      scopes: new Set(["latchkey:admin", "repo:read"]),
    });
  });

  test("is no root in its own tenant either, when the header names that", () => {
    expect(act(root, "default").permissions.has("latchkey:root")).toBe(false);
  });

  test("is named in records as who it is, not as a subject of that tenant", () => {
    expect(nameOf(act(root, "acme"))).toBe("root");
    expect(nameOf(act(robot, "acme"))).toBe("default/robot");
  });

  test("stays what it was for other calls", () => {
    act(robot, "acme");
    expect(robot).toMatchObject({ tenant: "default", scopes: new Set(["latchkey:root", "repo:read"]) });
  });
});

describe("every other caller", () => {
  test.each([
    ["an administrator", admin],
    ["an introspecting service", service],
    ["a user", ada],
  ])("can name its own tenant: %s", (_, caller) => {
    expect(act(caller, "acme")).toBe(caller);
  });

  test.each([
    ["another", "globex"],
    ["its own in another case", "Acme"],
    ["its own and more", "acme,globex"],
  ])("can't name %s", (_, tenant) => {
    for (const caller of [admin, service, ada]) {
      expect(thrownBy(() => act(caller, tenant))).toMatchObject({
        ...refusal("OWNER_BEYOND_CALLER", "x-app-id: another tenant than your own needs latchkey:root"),
        violations: [{ field: HEADER }],
      });
    }
  });
});

test("without the header nothing changes", () => {
  for (const caller of [root, robot, admin, ada]) expect(act(caller)).toBe(caller);
});

describe("a header is refused", () => {
  test.each([
    ["that is there twice", ["acme", "acme"], "x-app-id: is there more than once"],
    ["that is there twice, once empty", ["", "acme"], "x-app-id: is there more than once"],
    ...["", " ", "a b", "acme\u0000", "soci\u00e9t\u00e9", "acme\n", "x".repeat(129)].map(
      (value): [string, string[], string] => [
        `that says ${JSON.stringify(value).slice(0, 20)}`,
        [value],
        "x-app-id: must be the name of a tenant, in ASCII",
      ],
    ),
  ])("%s", (_, values, message) => {
    for (const caller of [root, robot, admin, ada]) {
      expect(thrownBy(() => act(caller, ...values))).toMatchObject(refusal("INVALID_REQUEST", message));
    }
  });
});

describe("an authentication", () => {
  const authenticate = createAuthenticator({
    rootDigest: digestRootToken("root"),
    verifySecret: async () => undefined,
    noteUse: async (token) => token,
    issuers: [],
    kinds: builtInKinds,
    certificates: () => undefined,
    clock: () => NOW,
  });
  const spoofed = { "x-app-id": "acme", "x-tenant": "globex", "x-app-id-bin": "globex" };

  test("goes by the header that the operator has named, and by no other", async () => {
    const metadata = metadataOf({ ...spoofed, authorization: "Bearer root" });
    expect(await withTenantHeader(authenticate, HEADER)(metadata, peer, "List")).toMatchObject({ tenant: "acme" });
    expect(await withTenantHeader(authenticate, "x-tenant")(metadata, peer, "List")).toMatchObject({
      tenant: "globex",
    });
    expect(await withTenantHeader(authenticate, "x-org")(metadata, peer, "List")).toMatchObject({ tenant: "default" });
    expect(await withTenantHeader(authenticate, undefined)(metadata, peer, "List")).toMatchObject({
      tenant: "default",
    });
  });

  test("tells nobody about the header who has no good credentials", async () => {
    const calling = withTenantHeader(authenticate, HEADER);
    for (const headers of [{ [HEADER]: ["a", "b"] }, { [HEADER]: "globex" }, {}]) {
      await expect(
        calling(metadataOf({ ...headers, authorization: "Bearer bad" }), peer, "List"),
      ).rejects.toMatchObject(refusal("CREDENTIALS_INVALID", "the credentials are not valid"));
      await expect(calling(metadataOf(headers), peer, "List")).rejects.toMatchObject(refusal("CREDENTIALS_MISSING"));
    }
  });
});
