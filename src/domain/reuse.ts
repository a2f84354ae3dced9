import type { Context } from "./context.ts";

/**
 * Somebody presented a spent secret of the token: two have it, and one of them should not. Where the token's kind says so, it dies
 * with all that was exchanged from it; in any case the operator hears of it.
 */
export async function noteSpentSecret(context: Context, id: string): Promise<void> {
  const token = await context.store.find(id);
  if (!token) return;
  const { tenant, subject, kind } = token;
  const isStrict = context.kinds.get(kind)?.exchangesTo.some((rule) => rule.revokeOnReuse);
  const deletedCount = isStrict ? await context.store.remove(id) : 0;
  context.report({ type: "spent-secret-presented", tokenId: id, tenant, subject, kind, deletedCount });
}
