import {
  create,
  type DescMethodUnary,
  fromJson,
  type JsonObject,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import type { TokenSchema } from "#gen/latchkey/v1/token_pb.ts";
import {
  type BatchIntrospectResponseSchema,
  type IntrospectResponseSchema,
  TokenService,
} from "#gen/latchkey/v1/token_service_pb.ts";
import type { Answer } from "../call/call.ts";
import { MESSAGE_HEAD_BYTES, sealFrame } from "./grpc-frame.ts";
import { ProtoWriter } from "./proto-writer.ts";

type Verdict = MessageInitShape<typeof IntrospectResponseSchema>;
type Verdicts = MessageInitShape<typeof BatchIntrospectResponseSchema>;
type Token = MessageInitShape<typeof TokenSchema>;
/** A Timestamp or a Duration, which look the same; ours have their seconds without a BigInt, too. */
type Moment = { readonly wholeSeconds?: number; readonly seconds?: bigint; readonly nanos?: number };

/** Introspections are what the service answers all day. Reflection takes ten times as long as these lines for a verdict. */
const WRITERS = new Map<DescMethodUnary, (answer: never, writer: ProtoWriter) => void>([
  [TokenService.method.introspect, writeVerdict],
  [TokenService.method.batchIntrospect, writeVerdicts],
]);

/** One for all answers, one after the other. */
const shared = new ProtoWriter();

/** The binary form of an answer in its frame: the same bytes as the library's. They are good until the next answer. */
export function frameAnswer(method: DescMethodUnary, answer: Answer): Buffer {
  shared.start(MESSAGE_HEAD_BYTES);
  const write = WRITERS.get(method);
  if (write) write(answer as never, shared);
  else shared.raw(toBinary(method.output, create(method.output, answer)));
  return sealFrame(shared.finish());
}

function writeVerdicts({ responses = [] }: Verdicts, writer: ProtoWriter): void {
  for (const response of responses) writer.message(1, response, writeVerdict);
}

function writeVerdict({ active, token, reason }: Verdict, writer: ProtoWriter): void {
  if (active) writer.number(1, 1);
  if (token) writer.message(2, token, writeToken);
  if (reason) writer.number(3, reason);
}

function writeToken(token: Token, writer: ProtoWriter): void {
  writeText(1, token.id, writer);
  writeText(2, token.tenant, writer);
  writeText(3, token.subject, writer);
  writeText(4, token.kind, writer);
  writeText(5, token.label, writer);
  writeText(6, token.hint, writer);
  writeTexts(7, token.scopes, writer);
  writeTexts(8, token.audiences, writer);
  if (token.claims) writer.bytes(9, encodeStruct(token.claims));
  writeText(10, token.clientId, writer);
  writeText(11, token.parentId, writer);
  writeText(12, token.creator, writer);
  writeTime(13, token.createTime, writer);
  writeTime(14, token.expireTime, writer);
  writeTime(15, token.lastUsedTime, writer);
  if (token.active) writer.number(16, 1);
  if (token.status) writer.number(17, token.status);
  writeTime(18, token.life, writer);
  writeTime(19, token.remainingLife, writer);
  if (token.usesLeft !== undefined) writer.number(20, token.usesLeft);
  writeText(21, token.etag, writer);
  writeTime(22, token.idleExpireTime, writer);
}

function writeText(field: number, text: string | undefined, writer: ProtoWriter): void {
  if (text) writer.text(field, text);
}

function writeTexts(field: number, texts: readonly string[] | undefined, writer: ProtoWriter): void {
  if (texts) for (const text of texts) writer.text(field, text);
}

function writeTime(field: number, time: Moment | undefined, writer: ProtoWriter): void {
  if (time) writer.pair(field, time.wholeSeconds ?? Number(time.seconds ?? 0n), time.nanos ?? 0);
}

/** The library gives a Struct as the JSON that it stands for. */
function encodeStruct(claims: JsonObject | Message): Uint8Array {
  return toBinary(StructSchema, fromJson(StructSchema, claims as JsonObject));
}
