import type { DescMessage, Message } from "@bufbuild/protobuf";
import {
  type BatchIntrospectRequest,
  BatchIntrospectRequestSchema,
  type IntrospectRequest,
  IntrospectRequestSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";
import { PlainReader } from "./plain-reader.ts";

const READERS = new Map<DescMessage, (reader: PlainReader) => Message>([
  [IntrospectRequestSchema, (reader) => readQuestion(reader, reader.size)],
  [BatchIntrospectRequestSchema, readQuestions],
]);

/**
 * The same message as the library's, for introspections as they come all day, which takes it three times as long. Undefined: the
 * message is of another type, or has something that is not plain, good or bad.
 */
export function decodeQuestion(type: DescMessage, bytes: Uint8Array): Message | undefined {
  const read = READERS.get(type);
  if (!read) return undefined;
  const reader = new PlainReader(bytes);
  const message = read(reader);
  return reader.isPlain ? message : undefined;
}

function readQuestions(reader: PlainReader): BatchIntrospectRequest {
  const requests: IntrospectRequest[] = [];
  while (reader.place < reader.size) {
    if (reader.byte() !== 0x0a) reader.giveUp();
    const length = reader.length();
    requests.push(readQuestion(reader, reader.place + length));
  }
  return { $typeName: BatchIntrospectRequestSchema.typeName, requests };
}

function readQuestion(reader: PlainReader, end: number): IntrospectRequest {
  const scopes: string[] = [];
  const kinds: string[] = [];
  let [secret, audience, peek] = ["", "", false];
  while (reader.place < end) {
    switch (reader.byte()) {
      case 0x0a:
        secret = reader.text();
        break;
      case 0x12:
        scopes.push(reader.text());
        break;
      case 0x1a:
        audience = reader.text();
        break;
      case 0x22:
        kinds.push(reader.text());
        break;
      case 0x28:
        peek = reader.flag();
        break;
      default:
        reader.giveUp();
    }
  }
  if (reader.place !== end) reader.giveUp();
  return { $typeName: IntrospectRequestSchema.typeName, secret, scopes, audience, kinds, peek };
}
