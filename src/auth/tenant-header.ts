import { type Caller, createCaller, isTenant } from "../domain/caller.ts";
import { fieldError } from "../errors.ts";
import type { AuthenticateCall } from "./authenticate.ts";

/**
 * Lets calls name their tenant in a header, in lower case. Undefined: they can't. Throws what `authenticate` rejects with, and what
 * `actInTenant` throws.
 */
export function withTenantHeader(authenticate: AuthenticateCall, header: string | undefined): AuthenticateCall {
  if (header === undefined) return authenticate;
  return async (metadata, peer, method) => {
    return actInTenant(await authenticate(metadata, peer, method), header, metadata.values(header));
  };
}

/**
 * The caller of a call that names its tenant in a header. The root becomes an administrator of that tenant for this call; everybody
 * else stays who they are, and can only name their own. Without the header nothing changes.
 *
 * @param values all values of the header, as they were sent.
 * @throws INVALID_REQUEST if there is more than one, or no tenant can have the name: the credentials are good, the call is not, and
 * an empty header taken for none would leave a root with all tenants. OWNER_BEYOND_CALLER for another tenant than the caller's.
 */
export function actInTenant(caller: Caller, header: string, values: readonly string[]): Caller {
  const [tenant] = values;
  if (tenant === undefined) return caller;
  if (values.length > 1) throw fieldError("INVALID_REQUEST", header, "is there more than once");
  if (!VISIBLE_ASCII.test(tenant) || !isTenant(tenant)) {
    throw fieldError("INVALID_REQUEST", header, "must be the name of a tenant, in ASCII");
  }
  if (caller.permissions.has("latchkey:root")) return administratorOf(tenant, caller);
  if (tenant !== caller.tenant) {
    throw fieldError("OWNER_BEYOND_CALLER", header, "another tenant than your own needs latchkey:root");
  }
  return caller;
}

/** What else a header holds came through somebody's guess about encodings. */
const VISIBLE_ASCII = /^[!-~]+$/;

function administratorOf(tenant: string, root: Caller): Caller {
  const scopes = [...root.scopes].map((scope) => (scope === "latchkey:root" ? "latchkey:admin" : scope));
  return createCaller({ ...root, tenant, homeTenant: root.tenant, scopes });
}
