import { endsOfSecret, endsOfToken, forbids, replacementsOf } from "./ends.ts";
import { type Operation, tell } from "./history.ts";
import { mayLag } from "./lag.ts";
import { isDone, isUse, type Life, mayBeDone, type Of, precedes, presentedBy, takesUse } from "./life.ts";

/** For expiries, which go by another clock than the operations. Milliseconds. */
const TOLERANCE = 50;

/** Looks at one token's life, and answers what must not have happened, in sentences. */
export type Rule = (life: Life) => string[];

/** No use and no change succeeds that began after the token was deleted, by itself or with what it came from. */
export const usedAfterDeletion: Rule = (life) =>
  life.operations.filter(isDone).flatMap((operation) => {
    const end = endsOfToken(life).find((end) => forbids(end, operation));
    return end ? [`${life.token.id}: ${tell(operation)} succeeded after ${end.why} had deleted it`] : [];
  });

/** No use succeeds after the token was switched off, unless it may have been switched on again. */
export const usedWhileSwitchedOff: Rule = (life) =>
  life.operations
    .filter(isUse)
    .filter(isDone)
    .flatMap((use) => {
      const off = turns(life, false).find(
        (turn) =>
          isDone(turn) &&
          precedes(turn, use) &&
          !mayLag(use, turn, turns(life, false).filter(mayBeDone)) &&
          !turns(life, true).some((back) => mayBeDone(back) && back.began < use.ended && !precedes(back, turn)),
      );
      return off ? [`${life.token.id}: ${tell(use)} succeeded after ${tell(off)} had switched it off`] : [];
    });

/** A limited token has no more uses than it was made with. */
export const usedTooOften: Rule = (life) => {
  const { id, uses = Number.POSITIVE_INFINITY } = life.token;
  const taken = life.operations.filter(takesUse).filter(isDone);
  return taken.length > uses
    ? [`${id}: was used ${taken.length} times, of ${uses}: ${taken.map(tell).join(", ")}`]
    : [];
};

/** Even to look at, it is not active once its uses are used up. */
export const lookedAtAfterExhaustion: Rule = (life) => {
  const { id, uses = Number.POSITIVE_INFINITY } = life.token;
  return life.operations
    .filter((operation) => operation.type === "Peek")
    .filter(isDone)
    .flatMap((peek) => {
      const taken = life.operations.filter(takesUse).filter((use) => isDone(use) && precedes(use, peek));
      return taken.length >= uses ? [`${id}: ${tell(peek)} found it active after all ${uses} uses were taken`] : [];
    });
};

/** No secret is good before the call that makes it. */
export const usedBeforeBirth: Rule = (life) =>
  life.operations.filter(isDone).flatMap((operation) => {
    const origin = life.origins.get(presentedBy(operation) ?? "");
    const isEarly = origin !== undefined && precedes(operation, origin);
    return isEarly ? [`${life.token.id}: ${tell(operation)} succeeded before ${tell(origin)} had made its secret`] : [];
  });

/** No use succeeds that began after the token's expiry. */
export const usedAfterExpiry: Rule = (life) => {
  const { id, expires = Number.POSITIVE_INFINITY } = life.token;
  const late = life.operations.filter(isUse).filter((use) => isDone(use) && use.began > expires + TOLERANCE);
  return late.map((use) => `${id}: ${tell(use)} succeeded after its expiry`);
};

/** No old secret is good after it was replaced and its grace is over. */
export const usedOldSecret: Rule = (life) =>
  life.operations.filter(isDone).flatMap((operation) => {
    const secret = presentedBy(operation);
    const end = secret === undefined ? undefined : endsOfSecret(life, secret).find((end) => forbids(end, operation));
    return end ? [`${life.token.id}: ${tell(operation)} succeeded after ${end.why} had replaced the secret`] : [];
  });

/** Of two that replace the secret at the same moment without a grace, one comes last, and only its secret is good. */
export const bothReplacementsGood: Rule = (life) => {
  const replacements = replacementsOf(life).filter(
    (operation) =>
      isDone(operation) && (operation.type === "Exchange" || (operation.grace === 0 && !operation.onFirstUse)),
  );
  return pairs(replacements).flatMap(([one, other]) => {
    if (precedes(one, other) || precedes(other, one)) return [];
    const both = [one, other].map(({ successor }) =>
      life.operations.find(
        (use) =>
          isDone(use) &&
          presentedBy(use) === successor &&
          [one, other].every((operation) => precedes(operation, use) && !mayLag(use, operation)),
      ),
    );
    const isContradiction = both.every((use) => use !== undefined);
    return isContradiction ? [`${life.token.id}: the secrets of ${tell(one)} and ${tell(other)} are both good`] : [];
  });
};

/** Of two that exchange a rotating secret at the same moment, one wins. */
export const exchangedTwice: Rule = (life) => {
  const exchanges = life.operations.filter(
    (operation): operation is Of<"Exchange"> => operation.type === "Exchange" && isDone(operation),
  );
  return pairs(exchanges).flatMap(([one, other]) => {
    if (one.secret !== other.secret || one.successor === undefined || other.successor === undefined) return [];
    const overlap = !precedes(one, other) && !precedes(other, one);
    return overlap ? [`${life.token.id}: ${tell(one)} and ${tell(other)} both succeeded`] : [];
  });
};

/** What turned the switch to here, its creation included. */
function turns({ token, birth, operations }: Life, active: boolean): Operation[] {
  const turned = operations.filter((operation) => operation.type === "SetActive" && operation.active === active);
  return (token.inactive ?? false) === !active ? [birth, ...turned] : turned;
}

function pairs<T>(list: readonly T[]): [T, T][] {
  return list.flatMap((one, index) => list.slice(index + 1).map((other): [T, T] => [one, other]));
}
