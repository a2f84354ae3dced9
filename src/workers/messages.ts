import type { KeysContent } from "../config/keys-file.ts";
import type { Config } from "../config.ts";

/** All that a worker goes by. The primary alone has read it, so that a worker that comes later is like the others. */
export interface Assignment {
  /** 1 or more. */
  readonly number: number;
  readonly config: Config;
  readonly keys: KeysContent;
  /** SHA-256 of the root token. */
  readonly rootDigest: Uint8Array;
}

/** What the primary tells a worker. */
export type Order =
  | { readonly order: "start"; readonly assignment: Assignment }
  /** All that it waits for: to take calls at this port. */
  | { readonly order: "listen"; readonly port: number }
  | { readonly order: "use-keys"; readonly keys: KeysContent }
  | { readonly order: "stop" };

/** What a worker tells the primary. */
export type Report =
  /** All is there that it needs to serve. */
  | { readonly report: "ready" }
  | { readonly report: "serving"; readonly url: string }
  | { readonly report: "keys-in-use" }
  /** It can't start, for a reason that is fit for the person who started it. */
  | { readonly report: "failed"; readonly reason: string };
