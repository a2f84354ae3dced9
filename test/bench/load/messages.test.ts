import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  BatchIntrospectRequestSchema,
  IntrospectRequestSchema,
  ListRequestSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";
import { readKeys } from "../../../bench/load/keys.ts";
import { createMessages, fieldHead } from "../../../bench/load/messages.ts";
import { keyFile } from "./key-file.ts";

function write(form: Omit<Parameters<typeof createMessages>[1], "framed">, pick: number, framed = false): Buffer {
  const messages = createMessages(readKeys(keyFile()), { ...form, framed });
  const target = Buffer.alloc(messages.bytes);
  messages.write(target, 0, pick);
  return target;
}

const ONE = { before: fieldHead(1, 8), after: Buffer.alloc(0), keysPerCall: 1 };

test("writes a message with the picked key", () => {
  expect(fromBinary(IntrospectRequestSchema, write(ONE, 1)).secret).toBe("secret-1");
  expect(fromBinary(IntrospectRequestSchema, write(ONE, 5)).secret).toBe("secret-2");
});

test("writes gRPC's frame in front of it", () => {
  const framed = write(ONE, 0, true);
  expect([framed[0], framed.readUInt32BE(1)]).toEqual([0, framed.length - 5]);
  expect(fromBinary(IntrospectRequestSchema, framed.subarray(5)).secret).toBe("secret-0");
});

test("writes what comes after the key", () => {
  const list = write({ before: fieldHead(2, 8), after: Buffer.of(14 << 3, 10), keysPerCall: 1 }, 0);
  expect(fromBinary(ListRequestSchema, list)).toMatchObject({ subject: "secret-0", pageSize: 10 });
});

test("writes many keys as messages of their own", () => {
  const { requests } = fromBinary(BatchIntrospectRequestSchema, write({ ...ONE, keysPerCall: 4 }, 2));
  expect(requests.map(({ secret }) => secret)).toEqual(["secret-2", "secret-0", "secret-1", "secret-2"]);
});
