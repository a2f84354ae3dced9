import { type Operation, tell } from "./history.ts";
import { mayLag } from "./lag.ts";
import {
  findsReuse,
  isDone,
  type Life,
  lineOf,
  mayBeDone,
  precedes,
  replacesSecret,
  takesUse,
  type UseOperation,
} from "./life.ts";

// What was acknowledged, and must hold for all that begins after it.

/** For graces: clocks are corrected a little all the time. Milliseconds. */
const TOLERANCE = 5;

/** A moment from which on something must not be good any more, and why. */
export interface End {
  readonly time: number;
  readonly why: string;
  /** The operation that brought it about, */
  readonly by: Operation;
  /** or one of these, if that was faster. */
  readonly causes: readonly Operation[];
}

/** Whether it ends what the operation needs, and the operation began too late to be good nevertheless. */
export function forbids({ time, by, causes }: End, operation: Operation): boolean {
  return time < operation.began && !mayLag(operation, by, causes);
}

/** When the token was deleted for certain, by itself or with one that it came from. */
export function endsOfToken(life: Life): End[] {
  return lineOf(life).flatMap((member) => {
    const whose = member === life ? "" : `, of its ancestor ${member.token.id}`;
    const causes = lineOf(life).flatMap(possibleDeletionsOf);
    return deletionsOf(member).map((by) => ({ time: by.ended, why: tell(by) + whose, by, causes }));
  });
}

/** What has deleted the token, or may have. */
export function possibleDeletionsOf({ token, operations, deleteAlls }: Life): Operation[] {
  const isFatal = (cause: Operation) => {
    if (cause.type === "Delete") return mayBeDone(cause);
    if (!token.diesOfReuse) return false;
    return findsReuse(cause) || (takesUse(cause) && cause.outcome === "unknown");
  };
  return [...operations.filter(isFatal), ...deleteAlls.filter(mayBeDone)];
}

function deletionsOf({ token, birth, operations, deleteAlls }: Life): Operation[] {
  return [
    ...operations.filter((operation) => operation.type === "Delete" && isDone(operation)),
    ...operations.filter((operation) => token.diesOfReuse && findsReuse(operation)),
    ...deleteAlls.filter((operation) => isDone(operation) && isDone(birth) && precedes(birth, operation)),
  ];
}

/** When the secret was replaced for certain. */
export function endsOfSecret(life: Life, secret: string): End[] {
  const origin = life.origins.get(secret);
  if (!origin) return [];
  return life.operations.flatMap((operation) => {
    if (!replacesSecret(operation) || !isDone(operation) || !precedes(origin, operation)) return [];
    const end = endByReplacement(life, secret, origin, operation);
    return end === undefined ? [] : [{ time: end, why: tell(operation), by: operation, causes: [] }];
  });
}

function endByReplacement(life: Life, secret: string, origin: Operation, operation: Replacement): number | undefined {
  if (operation.type === "Exchange") return operation.ended;
  const isPending = origin.type === "Rotate" && origin.onFirstUse;
  if (isPending && !usesOf(life, secret).some(({ began }) => began < operation.ended)) return operation.ended;
  const grace = operation.grace === 0 ? 0 : operation.grace + TOLERANCE;
  if (!operation.onFirstUse) return operation.ended + grace;
  const activations = usesOf(life, operation.successor).filter(isDone);
  return activations.length === 0 ? undefined : Math.min(...activations.map(({ ended }) => ended)) + grace;
}

type Replacement = ReturnType<typeof replacementsOf>[number];

/** All operations that give the token a new secret. */
export function replacementsOf({ operations }: Life) {
  return operations.filter(replacesSecret);
}

/** Uses of the secret that were good, or may have been. */
export function usesOf({ operations }: Life, secret: string | undefined): UseOperation[] {
  return operations.filter(
    (operation): operation is UseOperation =>
      takesUse(operation) && operation.secret === secret && ["done", "unknown"].includes(operation.outcome),
  );
}
