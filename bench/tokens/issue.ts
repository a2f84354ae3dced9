import { setTimeout as delay } from "node:timers/promises";
import { openKeysFile } from "../../src/config/keys-file.ts";
import { type Caller, createCaller } from "../../src/domain/caller.ts";
import { systemClock } from "../../src/domain/clock.ts";
import type { Context } from "../../src/domain/context.ts";
import { type IssuedToken, issueToken, type NewToken } from "../../src/domain/issue.ts";
import { fingerprintsOf } from "../../src/domain/keys.ts";
import { builtInKinds } from "../../src/domain/kinds.ts";
import { createLastUse } from "../../src/domain/last-use.ts";
import { TokenError } from "../../src/errors.ts";
import { openStore } from "../../src/store/open-store.ts";

export const TENANT = "acme";

/** Makes tokens by Latchkey's own rules and store, without a server in between. */
export interface Issuer {
  readonly context: Context;
  issue(wish: Pick<NewToken, "subject" | "kind"> & Partial<NewToken>): Promise<IssuedToken>;
  close(): Promise<void>;
}

/** @param keysPath the file with the service keys, which is made if it is not there. */
export async function openIssuer(redisUrl: string, keysPath: string): Promise<Issuer> {
  const store = await openStore(redisUrl, { clock: systemClock });
  const { keys } = openKeysFile(keysPath, false);
  await store.adoptKeys(fingerprintsOf(keys));
  const lastUse = createLastUse(store, systemClock);
  const context = { store, kinds: builtInKinds, keys, clock: systemClock, lastUse, report: () => {} };
  return {
    context,
    issue: (wish) => insistOn(() => issueToken(context, root, { ...WISH, ...wish })),
    async close() {
      await lastUse.close();
      await store.close();
    },
  };
}

const root: Caller = createCaller({
  credential: "root",
  tenant: "default",
  subject: "root",
  scopes: ["latchkey:root"],
});

const MAX_ATTEMPTS = 10;

const WISH: Omit<NewToken, "subject" | "kind"> = {
  tenant: TENANT,
  label: "",
  lifetime: { type: "default" },
  scopes: ["repo:read"],
  audiences: [],
  claims: undefined,
  clientId: "",
  inactive: false,
  maxUses: undefined,
  requestId: "",
};

/**
 * A Redis that is filled as fast as it goes may answer late, and then nobody knows whether the token is there. One too many
 * does no harm here.
 */
async function insistOn<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TokenError) || error.reason !== "STORE_UNAVAILABLE" || attempt === MAX_ATTEMPTS)
        throw error;
      await delay(error.retryDelay ?? 0);
    }
  }
}
