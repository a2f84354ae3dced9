import { openStore } from "../../src/store/open-store.ts";
import type { TokenStore } from "../../src/store/token-store.ts";

/** Operations in the place of those of a store. */
export type Sabotage = (store: TokenStore) => Partial<TokenStore>;

/** Opens real stores that work but for some operations. */
export function openBroken(sabotage: Sabotage): typeof openStore {
  return async (location, options) => {
    const store = await openStore(location, options);
    const broken = sabotage(store);
    return new Proxy(store, {
      get(target, name, proxy) {
        if (name === "settled") return proxy;
        const method = Reflect.get(broken, name) ?? Reflect.get(target, name);
        return typeof method === "function" ? method.bind(target) : method;
      },
    });
  };
}
