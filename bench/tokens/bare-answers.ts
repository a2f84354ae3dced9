import { create, toBinary } from "@bufbuild/protobuf";
import { InactiveReason, IntrospectResponseSchema } from "../../gen/latchkey/v1/token_service_pb.ts";
import type { Token } from "../../src/domain/token.ts";
import { toTokenMessage } from "../../src/service/token-message.ts";
import { MESSAGE_HEAD_BYTES, sealFrame } from "../../src/wire/grpc-frame.ts";

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

/** Five bytes of frame and two of field, then `<prefix>_<id>…`. */
const SECRET_AT = 7;
const ID_BYTES = 19;

/** The id inside the secret that a request is about. */
export function idIn(body: Buffer): string {
  const start = body.indexOf("_", body.indexOf("_", SECRET_AT) + 1) + 1;
  return body.toString("latin1", start, start + ID_BYTES);
}

/** A message of gRPC. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES + message.length);
  frame.set(message, MESSAGE_HEAD_BYTES);
  return sealFrame(frame);
}
