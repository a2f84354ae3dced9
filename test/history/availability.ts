import { possibleDeletionsOf, replacementsOf, usesOf } from "./ends.ts";
import { type Operation, tell } from "./history.ts";
import { isDone, type Life, lineOf, mayBeDone, type Of, precedes, presentedBy, takesUse } from "./life.ts";
import type { Rule } from "./safety.ts";

/** The clock by which tokens and graces end is not that of the operations, and counts whole milliseconds. */
const TOLERANCE = 50;
/** How many old secrets can have a grace at once. */
const GRACES = 8;

/** What can excuse that an operation was refused. */
type Excuse = (life: Life, operation: Operation) => boolean;

/** The reasons of refusals, and what each of them claims. */
const CLAIMS: Readonly<Record<string, readonly Excuse[]>> = {
  UNKNOWN: [mayBeDeleted],
  SPENT: [mayBeReplaced],
  EXHAUSTED: [mayBeExhausted],
  INACTIVE: [mayBeOff],
  EXPIRED: [mayBeExpired],
  TOKEN_NOT_FOUND: [mayBeDeleted, mayBeReplaced],
  TOKEN_NOT_ACTIVE: [mayBeExhausted, mayBeExpired, mayBeOff],
  SECRET_SPENT: [mayBeReplaced, mayBeExhausted],
  CREDENTIALS_INVALID: [mayBeDeleted, mayBeReplaced, mayBeOff, mayBeExpired, isLimited],
};

/** What is refused is refused for a reason: nobody is told that a token is not good which nobody may have ended. */
export const refusedWithoutExcuse: Rule = (life) =>
  life.operations.flatMap((operation) => {
    if (mayBeDone(operation)) return [];
    const isExcused = CLAIMS[operation.outcome]?.some((excuse) => excuse(life, operation));
    return isExcused ? [] : [`${life.token.id}: ${tell(operation)} was answered ${operation.outcome} without a reason`];
  });

/** Whether the cause may have taken effect when the operation did, and after the token was made. */
function mayPrecede(life: Life, cause: Operation, operation: Operation): boolean {
  return cause !== operation && cause.began < operation.ended && !precedes(cause, life.birth);
}

function mayBeDeleted(life: Life, operation: Operation): boolean {
  return lineOf(life).some((member) => {
    return possibleDeletionsOf(member).some((cause) => mayPrecede(member, cause, operation));
  });
}

function mayBeReplaced(life: Life, operation: Operation): boolean {
  const origin = life.origins.get(presentedBy(operation) ?? "");
  if (!origin) return false;
  const isPending = origin.type === "Rotate" && origin.onFirstUse;
  const replacements = replacementsOf(life).filter(
    (cause) => cause !== origin && mayBeDone(cause) && mayPrecede(life, cause, operation) && !precedes(cause, origin),
  );
  return (
    replacements.length >= GRACES ||
    replacements.some((cause) => {
      if (cause.type === "Exchange" || isPending) return true;
      const begin = cause.onFirstUse ? firstUse(life, cause.successor) : cause.began;
      return begin + cause.grace - TOLERANCE <= operation.ended;
    })
  );
}

function firstUse(life: Life, secret: string | undefined): number {
  return Math.min(...usesOf(life, secret).map(({ began }) => began));
}

function mayBeExhausted(life: Life, operation: Operation): boolean {
  const { uses = Number.POSITIVE_INFINITY } = life.token;
  const taken = life.operations.filter((use) => takesUse(use) && mayBeDone(use) && mayPrecede(life, use, operation));
  return taken.length >= uses;
}

function mayBeOff(life: Life, operation: Operation): boolean {
  const turned = life.operations.filter((turn): turn is Of<"SetActive"> => turn.type === "SetActive");
  const isOver = (off: Operation) =>
    turned.some((back) => back.active && isDone(back) && precedes(off, back) && precedes(back, operation));
  const offs: Operation[] = turned.filter((off) => !off.active && mayBeDone(off) && off.began < operation.ended);
  if (life.token.inactive) offs.push(life.birth);
  return offs.some((off) => !isOver(off));
}

function mayBeExpired({ token: { expires = Number.POSITIVE_INFINITY } }: Life, operation: Operation): boolean {
  return operation.ended >= expires - TOLERANCE;
}

/** A token with limited uses can't call at all. */
function isLimited({ token }: Life): boolean {
  return token.uses !== undefined;
}
