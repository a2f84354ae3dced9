/** What happens to a store that its operator should know, told once however many calls it concerns. */
export type StoreEvent =
  /** It can't be used, or a part of it. Also for each further reason why that stays so. */
  | { readonly type: "lost"; readonly cause: string }
  /** It can be used again. */
  | { readonly type: "back"; readonly milliseconds: number }
  /** What is written does not get to as many replicas as it must, so that nothing is acknowledged. */
  | { readonly type: "unconfirmed"; readonly cause: string }
  /** It does again. */
  | { readonly type: "confirmed"; readonly milliseconds: number };

export type StoreListener = (event: StoreEvent) => void;
