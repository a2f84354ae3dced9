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

type Fields = Omit<MessageInitShape<typeof TokenSchema>, "$typeName" | "$unknown">;

/** A token as the API shows it at `now`. */
export function toTokenMessage(token: Token, now: number): MessageInitShape<typeof TokenSchema> {
  const { createTime, expireTime, lastUsedTime, usesLeft, claims } = token;
  const message: Fields = {
    id: token.id,
    tenant: token.tenant,
    subject: token.subject,
    kind: token.kind,
    label: token.label,
    hint: token.hint,
    scopes: [...token.scopes],
    audiences: [...token.audiences],
    clientId: token.clientId,
    parentId: token.parentId,
    creator: token.creator,
    createTime: msToTimestamp(createTime),
    active: token.active,
    status: STATUS[statusOf(token, now)],
    etag: etagOf(token),
  };
  // One by one, since this runs for every introspection: spreading what may be absent costs as much as all of the rest.
  if (claims) message.claims = claims;
  if (expireTime !== undefined) {
    message.expireTime = msToTimestamp(expireTime);
    message.life = msToDuration(expireTime - createTime);
    message.remainingLife = msToDuration(Math.max(0, expireTime - now));
  }
  if (lastUsedTime !== undefined) message.lastUsedTime = msToTimestamp(lastUsedTime);
  if (usesLeft !== undefined) message.usesLeft = usesLeft;
  const idleEnd = idleEndOf(token);
  if (idleEnd !== undefined) message.idleExpireTime = msToTimestamp(idleEnd);
  return message;
}

/** The status that a request asks for; undefined if it asks for none. */
export function fromStatusMessage(status: TokenStatus): Status | undefined {
  return (Object.keys(STATUS) as Status[]).find((name) => STATUS[name] === status);
}
