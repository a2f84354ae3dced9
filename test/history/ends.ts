import { type Operation, tell } from "./history.ts";
import {
  findsReuse,
  isDone,
  type Life,
  lineOf,
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
}

/** When the token was deleted for certain, by itself or with one that it came from. */
export function endsOfToken(life: Life): End[] {
  return lineOf(life).flatMap((member) => {
    const whose = member === life ? "" : `, of its ancestor ${member.token.id}`;
    return deletionsOf(member).map((operation) => ({ time: operation.ended, why: tell(operation) + whose }));
  });
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
    return end === undefined ? [] : [{ time: end, why: tell(operation) }];
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
