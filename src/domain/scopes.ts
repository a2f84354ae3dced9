/**
 * The scopes that Latchkey itself gives a meaning to. The namespace `latchkey:` is reserved: all other scopes belong to the
 * services that Latchkey serves, and are compared byte by byte (RFC 6749, section 3.3).
 */
export type Permission = "latchkey:self" | "latchkey:introspect" | "latchkey:admin" | "latchkey:root";

const RESERVED = "latchkey:";

const IMPLIED: Record<Permission, readonly Permission[]> = {
  "latchkey:self": ["latchkey:self"],
  "latchkey:introspect": ["latchkey:introspect"],
  "latchkey:admin": ["latchkey:admin", "latchkey:introspect", "latchkey:self"],
  "latchkey:root": ["latchkey:root", "latchkey:admin", "latchkey:introspect", "latchkey:self"],
};

function isPermission(scope: string): scope is Permission {
  return Object.hasOwn(IMPLIED, scope);
}

/** What a caller with these scopes may do: the permissions among them, and those that they imply. */
export function permissionsOf(scopes: Iterable<string>): ReadonlySet<Permission> {
  const permissions = new Set<Permission>();
  for (const scope of scopes) {
    if (isPermission(scope)) for (const implied of IMPLIED[scope]) permissions.add(implied);
  }
  return permissions;
}

/** Whether a scope is in Latchkey's own namespace. One that is no permission is nobody's to grant. */
export function isReserved(scope: string): boolean {
  return scope.startsWith(RESERVED);
}

/** Scopes in the form that records hold: sorted, without repeats. */
export function normalizeScopes(scopes: readonly string[]): string[] {
  return [...new Set(scopes)].sort();
}
