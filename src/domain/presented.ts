import { aliasesOf } from "./alias.ts";
import type { Context } from "./context.ts";
import { type Evidence, requireKeys } from "./digest.ts";
import { isJwt, readClaimedId, verifyJwt } from "./jwt.ts";
import type { KeyRing } from "./keys.ts";
import { idOfSecret, wasMadeHere } from "./secret.ts";

/** A text that somebody presents as a secret, once it is known which token it claims to be of. */
export interface Presented extends Evidence {
  readonly id: string;
  /** Whether it was once made here for that token, whatever became of it since. */
  wasMadeHere(): boolean;
}

/** Why a text can be nobody's secret. */
export type Unreadable = "MALFORMED" | "UNKNOWN" | "SIGNATURE";

/**
 * Reads what somebody presents: an opaque secret or a JWT of ours, or a secret that an imported token goes by. Only for what is
 * neither of the first two it looks into the store.
 *
 * @throws KEY_MISSING, as `requireKeys`
 */
export function readPresented(context: Context, text: string): Presented | Promise<Presented | Unreadable> {
  const id = idOfSecret(text);
  if (id === undefined) return isJwt(text) ? readJwt(context, text) : readImported(context, text);
  return new OpaqueSecret(id, text, context.keys);
}

/** A class, because there is one for every introspection, and a closure in each would be larger than all the rest of it. */
class OpaqueSecret implements Presented {
  readonly id: string;
  readonly source = "";
  readonly material: string;
  readonly #keys: KeyRing;

  constructor(id: string, text: string, keys: KeyRing) {
    this.id = id;
    this.material = text;
    this.#keys = keys;
  }

  wasMadeHere(): boolean {
    return wasMadeHere(this.#keys, this.material);
  }
}

async function readJwt(context: Context, text: string): Promise<Presented | Unreadable> {
  const id = await verifyJwt(context.keys, text);
  if (id === "SIGNATURE") return id;
  if (id !== undefined) return { id, source: "", material: text, wasMadeHere: () => true };
  const imported = await readImported(context, text);
  if (imported === "UNKNOWN") await requireKeysFor(context, text);
  return imported;
}

/** @throws KEY_MISSING if a JWT of which we know no key may be one of ours, made with a newer key. */
async function requireKeysFor({ store, keys }: Context, jwt: string): Promise<void> {
  const id = readClaimedId(jwt);
  if (id !== undefined) requireKeys(keys, await store.find(id));
}

async function readImported(context: Context, text: string): Promise<Presented | Unreadable> {
  const { imported } = context.keys;
  const recognized = await Promise.all(imported.map((source) => source.recognize(text)));
  const evidence = recognized.flatMap((result, index) =>
    typeof result === "object" ? [{ source: imported[index]?.name ?? "", material: result.material }] : [],
  );
  const isForged = recognized.includes("SIGNATURE");
  if (evidence.length === 0) return isForged ? "SIGNATURE" : isJwt(text) ? "UNKNOWN" : "MALFORMED";
  const names = evidence.flatMap((one) => aliasesOf(context.keys, one).map((alias) => ({ ...one, alias })));
  const ids = await context.store.findAliases(names.map(({ alias }) => alias));
  const index = ids.findIndex((id) => id !== undefined);
  const [id, found] = [ids[index], names[index]];
  if (id === undefined || found === undefined) return isForged ? "SIGNATURE" : "UNKNOWN";
  const { source, material } = found;
  return { id, source, material, wasMadeHere: () => true };
}
