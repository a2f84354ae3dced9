import type { MessageInitShape } from "@bufbuild/protobuf";
import { type TokenSchema, TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import { idleEndOf, type Status, statusOf, type Token } from "../domain/token.ts";
import { etagOf } from "../domain/update.ts";
import { msToDuration, msToTimestamp } from "./times.ts";

const STATUS: Record<Status, TokenStatus> = {
  ACTIVE: TokenStatus.ACTIVE,
  INACTIVE: TokenStatus.INACTIVE,
  EXPIRED: TokenStatus.EXPIRED,
  EXHAUSTED: TokenStatus.EXHAUSTED,
};

/** A token as the API shows it at `now`. */
export function toTokenMessage(token: Token, now: number): MessageInitShape<typeof TokenSchema> {
  const idleEnd = idleEndOf(token);
  return {
    id: token.id,
    tenant: token.tenant,
    subject: token.subject,
    kind: token.kind,
    label: token.label,
    hint: token.hint,
    scopes: [...token.scopes],
    audiences: [...token.audiences],
    ...(token.claims && { claims: token.claims }),
    clientId: token.clientId,
    parentId: token.parentId,
    creator: token.creator,
    createTime: msToTimestamp(token.createTime),
    ...(token.expireTime !== undefined && {
      expireTime: msToTimestamp(token.expireTime),
      life: msToDuration(token.expireTime - token.createTime),
      remainingLife: msToDuration(Math.max(0, token.expireTime - now)),
    }),
    ...(token.lastUsedTime !== undefined && { lastUsedTime: msToTimestamp(token.lastUsedTime) }),
    ...(idleEnd !== undefined && { idleExpireTime: msToTimestamp(idleEnd) }),
    active: token.active,
    status: STATUS[statusOf(token, now)],
    ...(token.usesLeft !== undefined && { usesLeft: token.usesLeft }),
    etag: etagOf(token),
  };
}

/** The status that a request asks for; undefined if it asks for none. */
export function fromStatusMessage(status: TokenStatus): Status | undefined {
  return (Object.keys(STATUS) as Status[]).find((name) => STATUS[name] === status);
}
