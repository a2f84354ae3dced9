import type { z } from "zod";

type Issue = Pick<z.core.$ZodRawIssue, "code" | "path">;

/**
 * What rules over several fields can go by while single fields may be wrong: `value` without all that `issues` are about. In a list,
 * what is gone leaves its place empty. A field that nobody knows takes nothing with it.
 */
export function soundParts(value: unknown, issues: readonly Issue[]): unknown {
  if (issues.some(({ code, path = [] }) => path.length === 0 && code !== "unrecognized_keys")) return undefined;
  if (typeof value !== "object" || value === null || issues.length === 0) return value;
  const parts = Object.entries(value).map(([key, part]) => [key, soundParts(part, issuesUnder(key, issues))] as const);
  return Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}

function issuesUnder(key: string, issues: readonly Issue[]): Issue[] {
  return issues.flatMap(({ code, path: [first, ...path] = [] }) => (String(first) === key ? [{ code, path }] : []));
}
