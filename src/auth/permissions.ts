import { anonymous, type Caller } from "../domain/caller.ts";
import type { Permission } from "../domain/scopes.ts";
import { TokenError } from "../errors.ts";

/**
 * The permission that each method of TokenService needs. A method without a row is open to nobody; "secret" is open to whoever
 * holds the secret that its request presents.
 */
export const methodPermissions: ReadonlyMap<string, Permission | "secret"> = new Map([
  ["Create", "latchkey:self"],
  ["List", "latchkey:self"],
  ["Get", "latchkey:self"],
  ["Update", "latchkey:self"],
  ["SetActive", "latchkey:self"],
  ["Rotate", "latchkey:self"],
  ["Exchange", "secret"],
  ["Delete", "latchkey:self"],
  ["DeleteAll", "latchkey:self"],
  ["Introspect", "latchkey:introspect"],
  ["BatchIntrospect", "latchkey:introspect"],
]);

export { anonymous };

/** Whether a method asks for no credentials besides the secret in its request. */
export function needsNoCredentials(method: string): boolean {
  return methodPermissions.get(method) === "secret";
}

/** Whether a method does nothing but introspect: it makes, shows and takes back no token. */
export function introspects(method: string): boolean {
  return methodPermissions.get(method) === "latchkey:introspect";
}

/**
 * Lets the caller pass if it may call the method at all. What it reaches there is for the domain to say.
 *
 * @param method the name as in the proto, for example `SetActive`.
 * @throws PERMISSION_DENIED
 */
export function authorize(caller: Caller, method: string): void {
  const permission = methodPermissions.get(method);
  if (permission === "secret") return;
  if (permission === undefined) throw new TokenError("PERMISSION_DENIED", "this method is open to nobody");
  if (!caller.permissions.has(permission)) {
    throw new TokenError("PERMISSION_DENIED", `${method} needs the permission ${permission}`);
  }
}
