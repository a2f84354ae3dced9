import type {
  CreateRequest,
  DeleteAllRequest,
  DeleteRequest,
  ExchangeRequest,
  GetRequest,
  ListRequest,
  RotateRequest,
  SetActiveRequest,
  UpdateRequest,
} from "#gen/latchkey/v1/token_service_pb.ts";
import type { ExchangeWish } from "../domain/exchange.ts";
import type { Filter, Period } from "../domain/filter.ts";
import type { NewToken } from "../domain/issue.ts";
import type { Lifetime } from "../domain/lifetime.ts";
import type { ListQuery } from "../domain/list.ts";
import type { TokenHandle } from "../domain/lookup.ts";
import type { Revocation } from "../domain/revoke.ts";
import type { Rotation } from "../domain/rotate.ts";
import type { TokenChanges } from "../domain/update.ts";
import { fieldError } from "../errors.ts";
import { durationToMs, timestampToMs } from "./times.ts";
import { fromStatusMessage } from "./token-message.ts";

/** What a CreateRequest asks for, in the domain's terms. */
export function toNewToken(request: CreateRequest): NewToken {
  const { tenant, subject, kind, label, lifetime, scopes, audiences, claims, clientId, inactive, maxUses, requestId } =
    request;
  const texts = { tenant, subject, kind, label, clientId, requestId };
  return { ...texts, lifetime: toLifetime(lifetime), scopes, audiences, claims, inactive, maxUses };
}

/** What a RotateRequest asks for. */
export function toRotation(request: RotateRequest): Rotation {
  const { grace, activateOnFirstUse, requestId } = request;
  return {
    handle: toHandle(request),
    grace: grace ? durationToMs("grace", grace) : 0,
    activateOnFirstUse,
    requestId,
  };
}

/** What an ExchangeRequest asks for. */
export function toExchangeWish(request: ExchangeRequest): ExchangeWish {
  const { secret, kind, scopes, audiences, lifetime, clientId, requestId } = request;
  return { secret, kind, scopes, audiences, lifetime: toLifetime(lifetime), clientId, requestId };
}

function toLifetime(lifetime: CreateRequest["lifetime"]): Lifetime {
  switch (lifetime.case) {
    case "ttl":
      return { type: "ttl", duration: durationToMs("ttl", lifetime.value) };
    case "expireTime":
      return { type: "until", time: timestampToMs("expire_time", lifetime.value) ?? 0 };
    case "life":
      return { type: "life", text: lifetime.value };
    case "permanent":
      return { type: "permanent" };
    case undefined:
      return { type: "default" };
  }
}

/** How a Get, Update, SetActive, Rotate or Delete names its token. That one is named is a rule of the proto. */
export function toHandle({
  token,
}: GetRequest | UpdateRequest | SetActiveRequest | RotateRequest | DeleteRequest): TokenHandle {
  return token.case === "secret" ? { secret: token.value } : { id: token.value ?? "" };
}

/** What a ListRequest asks for. */
export function toListQuery(request: ListRequest): ListQuery {
  const filter: Filter = { ...toFilter(request), parentId: request.parentId || undefined };
  return {
    tenant: request.tenant,
    subject: request.subject,
    filter,
    pageSize: request.pageSize,
    pageToken: request.pageToken,
  };
}

/** What a DeleteAllRequest asks for. */
export function toRevocation(request: DeleteAllRequest): Revocation {
  return {
    tenant: request.tenant,
    subject: request.subject,
    allSubjects: request.allSubjects,
    filter: toFilter(request),
  };
}

function toFilter(request: ListRequest | DeleteAllRequest): Filter {
  return {
    kinds: unlessEmpty(request.kinds),
    status: fromStatusMessage(request.status),
    permanent: request.permanent,
    label: request.label,
    clientId: request.clientId || undefined,
    ids: unlessEmpty(request.ids),
    exceptIds: unlessEmpty(request.exceptIds),
    created: toPeriod("created", request.createdAfter, request.createdBefore),
    expiring: toPeriod("expiring", request.expiringAfter, request.expiringBefore),
    lastUsed: toPeriod("last_used", request.lastUsedAfter, request.lastUsedBefore),
  };
}

/** An empty list is one that was not sent. */
function unlessEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function toPeriod(
  field: string,
  after: ListRequest["createdAfter"],
  before: ListRequest["createdBefore"],
): Period | undefined {
  if (!after && !before) return undefined;
  return { after: timestampToMs(`${field}_after`, after), before: timestampToMs(`${field}_before`, before) };
}

const CHANGEABLE = ["label", "expire_time", "scopes", "claims"];

/**
 * What an UpdateRequest changes: the fields of its mask.
 *
 * @throws INVALID_REQUEST if it names none, or a part of one, which the rule in the proto lets pass.
 */
export function toChanges(request: UpdateRequest): TokenChanges {
  const named = new Set(request.updateMask?.paths);
  if (named.size === 0 || !named.isSubsetOf(new Set(CHANGEABLE))) {
    throw fieldError("INVALID_REQUEST", "update_mask", `must name fields to change: ${CHANGEABLE.join(", ")}`);
  }
  return {
    ...(named.has("label") && { label: request.label }),
    ...(named.has("expire_time") && { expireTime: timestampToMs("expire_time", request.expireTime) }),
    ...(named.has("scopes") && { scopes: request.scopes }),
    ...(named.has("claims") && { claims: request.claims }),
  };
}
