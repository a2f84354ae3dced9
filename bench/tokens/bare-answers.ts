import { create, toBinary } from "@bufbuild/protobuf";
import { InactiveReason, IntrospectResponseSchema } from "../../gen/latchkey/v1/token_service_pb.ts";
import type { Token } from "../../src/domain/token.ts";
import { toTokenMessage } from "../../src/service/token-message.ts";

/** Where the bare server finds its answer about a token. */
export function bareKey(id: string): string {
  return `bare:${id}`;
}

/** What Latchkey would answer, made beforehand. */
export function bareAnswer(token: Token): Buffer {
  const answer = create(IntrospectResponseSchema, { active: true, token: toTokenMessage(token, Date.now()) });
  return Buffer.from(toBinary(IntrospectResponseSchema, answer));
}

export const UNKNOWN_ANSWER = toBinary(
  IntrospectResponseSchema,
  create(IntrospectResponseSchema, { active: false, reason: InactiveReason.UNKNOWN }),
);
