import type { MessageInitShape } from "@bufbuild/protobuf";
import { type TokenSchema, TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import { idleEndOf, type Status, statusOf, type Token } from "../domain/token.ts";
import { etagOf } from "../domain/update.ts";
import { Moment } from "./times.ts";

const STATUS: Record<Status, TokenStatus> = {
  ACTIVE: TokenStatus.ACTIVE,
  INACTIVE: TokenStatus.INACTIVE,
  EXPIRED: TokenStatus.EXPIRED,
  EXHAUSTED: TokenStatus.EXHAUSTED,
};

type Fields = Omit<MessageInitShape<typeof TokenSchema>, "$typeName" | "$unknown">;
type Shown = { readonly [Field in keyof Required<Fields>]: Fields[Field] };

/** A token as the API shows it at `now`. */
export function toTokenMessage(token: Token, now: number): MessageInitShape<typeof TokenSchema> {
  return new ShownToken(token, now);
}

/** Each field is made when it is read: to copy all of them for every introspection costs as much as to write them. */
class ShownToken implements Shown {
  readonly #token: Token;
  readonly #now: number;

  constructor(token: Token, now: number) {
    this.#token = token;
    this.#now = now;
  }

  get id() {
    return this.#token.id;
  }

  get tenant() {
    return this.#token.tenant;
  }

  get subject() {
    return this.#token.subject;
  }

  get kind() {
    return this.#token.kind;
  }

  get label() {
    return this.#token.label;
  }

  get hint() {
    return this.#token.hint;
  }

  get scopes() {
    return this.#token.scopes as string[];
  }

  get audiences() {
    return this.#token.audiences as string[];
  }

  get claims() {
    return this.#token.claims;
  }

  get clientId() {
    return this.#token.clientId;
  }

  get parentId() {
    return this.#token.parentId;
  }

  get creator() {
    return this.#token.creator;
  }

  get createTime() {
    return new Moment(this.#token.createTime);
  }

  get expireTime() {
    return momentOf(this.#token.expireTime);
  }

  get lastUsedTime() {
    return momentOf(this.#token.lastUsedTime);
  }

  get active() {
    return this.#token.active;
  }

  get status() {
    return STATUS[statusOf(this.#token, this.#now)];
  }

  get life() {
    const { createTime, expireTime } = this.#token;
    return expireTime === undefined ? undefined : new Moment(expireTime - createTime);
  }

  get remainingLife() {
    const { expireTime } = this.#token;
    return expireTime === undefined ? undefined : new Moment(Math.max(0, expireTime - this.#now));
  }

  get usesLeft() {
    return this.#token.usesLeft;
  }

  get etag() {
    return etagOf(this.#token);
  }

  get idleExpireTime() {
    return momentOf(idleEndOf(this.#token));
  }
}

function momentOf(milliseconds: number | undefined): Moment | undefined {
  return milliseconds === undefined ? undefined : new Moment(milliseconds);
}

/** The status that a request asks for; undefined if it asks for none. */
export function fromStatusMessage(status: TokenStatus): Status | undefined {
  return (Object.keys(STATUS) as Status[]).find((name) => STATUS[name] === status);
}
