import type { Exchange, History, NewToken, Operation, Rotate, Span, Use } from "./history.ts";

export type Of<Type extends Operation["type"]> = Extract<Operation, { readonly type: Type }>;
export type UseOperation = Span & (Use | Exchange);

/** All that a history tells of one token. */
export interface Life {
  readonly token: NewToken;
  /** The Create or Exchange that made it. */
  readonly birth: Operation;
  readonly parent: Life | undefined;
  /** What was done to it by its id or a secret, in the order of beginning. */
  readonly operations: readonly Exclude<Operation, Of<"Create" | "DeleteAll">>[];
  /** Those that mean it. */
  readonly deleteAlls: readonly Of<"DeleteAll">[];
  /** Which operation made which of its secrets. */
  readonly origins: ReadonlyMap<string, Operation>;
}

/** Sorts a history by tokens. A parent comes before its children. */
export function readLives(history: History): Life[] {
  const inOrder = history.toSorted((a, b) => a.began - b.began);
  const byToken = Map.groupBy(inOrder, (operation) => ("token" in operation ? operation.token : ""));
  const deleteAlls = inOrder.filter((operation) => operation.type === "DeleteAll");
  const lives = new Map<string, Life>();
  for (const birth of inOrder) {
    const token = "made" in birth ? birth.made : undefined;
    if (!token) continue;
    const operations = (byToken.get(token.id) ?? []) as Life["operations"];
    lives.set(token.id, {
      token,
      birth,
      parent: birth.type === "Exchange" ? lives.get(birth.token) : undefined,
      operations,
      deleteAlls: deleteAlls.filter((operation) => means(operation, token)),
      origins: new Map([[token.secret, birth], ...operations.flatMap(originOf)]),
    });
  }
  return [...lives.values()];
}

function originOf(operation: Operation): [string, Operation][] {
  const successor = "successor" in operation ? operation.successor : undefined;
  return successor === undefined ? [] : [[successor, operation]];
}

function means({ subject, kinds, exceptIds }: Of<"DeleteAll">, token: NewToken): boolean {
  const isWhose = subject === "" || subject === token.subject;
  return isWhose && (kinds.length === 0 || kinds.includes(token.kind)) && !exceptIds.includes(token.id);
}

/** The token and all that it was exchanged from. */
export function lineOf(life: Life): Life[] {
  return life.parent ? [life, ...lineOf(life.parent)] : [life];
}

/** Whether the first had its answer before the second began. All else may have happened in any order. */
export function precedes(first: Span, second: Span): boolean {
  return first.ended < second.began;
}

export function isDone({ outcome }: Operation): boolean {
  return outcome === "done";
}

/** Whether it had, or may have had, an effect. */
export function mayBeDone({ outcome }: Operation): boolean {
  return outcome === "done" || outcome === "unknown";
}

/** The secret that an operation presents. */
export function presentedBy(operation: Operation): string | undefined {
  return "secret" in operation ? operation.secret : undefined;
}

export function isUse(operation: Operation): operation is UseOperation {
  return ["Introspect", "Peek", "Call", "Ask", "Exchange"].includes(operation.type);
}

/** A use that counts, where uses are limited, and that makes a pending secret take effect. */
export function takesUse(operation: Operation): operation is UseOperation {
  return isUse(operation) && operation.type !== "Peek";
}

/** What gives a token a new secret. */
export function replacesSecret(operation: Operation): operation is Span & (Rotate | Exchange) {
  return (
    operation.type === "Rotate" ||
    (operation.type === "Exchange" && (operation.successor !== undefined || operation.outcome === "unknown"))
  );
}

/** Whether it tells of a spent secret, upon which some tokens die. */
export function findsReuse({ type, outcome }: Operation): boolean {
  return (type === "Introspect" && outcome === "SPENT") || (type === "Exchange" && outcome === "SECRET_SPENT");
}
