import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import * as v1 from "#gen/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "#gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { start } from "./fixtures.ts";

const SERVED = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "latchkey.v1.TokenService",
];

type Question = v1.ServerReflectionRequest["messageRequest"];

const versions = [
  ["v1", v1.ServerReflection],
  ["v1alpha", v1alpha.ServerReflection],
] as const;

describe.each(versions)("reflection %s", (_name, service) => {
  const ask = async (...questions: Question[]) => {
    const server = await start();
    // The two versions differ in nothing but their package.
    const client = createClient(service as typeof v1.ServerReflection, createGrpcTransport({ baseUrl: server.url }));
    const answers: v1.ServerReflectionResponse["messageResponse"][] = [];
    const requests = (async function* () {
      for (const messageRequest of questions) yield { messageRequest };
    })();
    for await (const { messageResponse } of client.serverReflectionInfo(requests)) answers.push(messageResponse);
    return answers;
  };
  const filesIn = ([answer]: Awaited<ReturnType<typeof ask>>) =>
    answer?.case === "fileDescriptorResponse"
      ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
      : [];

  it("lists what is served", async () => {
    const [answer] = await ask({ case: "listServices", value: "" });
    const names = answer?.case === "listServicesResponse" ? answer.value.service.map(({ name }) => name) : [];
    expect(names.sort()).toEqual(SERVED);
  });

  it.each([
    "latchkey.v1.TokenService",
    "latchkey.v1.TokenService.Create",
    "latchkey.v1.CreateRequest.permanent",
    "latchkey.v1.CreateRequest.lifetime",
    "latchkey.v1.INACTIVE_REASON_EXPIRED",
  ])("finds the file of %s, with all that it needs to be understood", async (symbol) => {
    const files = filesIn(await ask({ case: "fileContainingSymbol", value: symbol }));
    expect(files[0]?.name).toBe("latchkey/v1/token_service.proto");
    const names = files.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(files.flatMap(({ dependency }) => dependency)));
  });

  it("finds files by name and by extension, and the numbers of a message's extensions", async () => {
    const byName = filesIn(await ask({ case: "fileByFilename", value: "latchkey/v1/token.proto" }));
    expect(byName[0]?.name).toBe("latchkey/v1/token.proto");
    const extension = { $typeName: v1.ExtensionRequestSchema.typeName, containingType: "google.protobuf.FieldOptions" };
    const byExtension = filesIn(
      await ask({ case: "fileContainingExtension", value: { ...extension, extensionNumber: 1159 } }),
    );
    expect(byExtension[0]?.name).toBe("buf/validate/validate.proto");
    const [numbers] = await ask({ case: "allExtensionNumbersOfType", value: "google.protobuf.FieldOptions" });
    expect(numbers).toMatchObject({ case: "allExtensionNumbersResponse", value: { extensionNumber: [1159, 1160] } });
  });

  it("answers what it does not know with an error each, and goes on", async () => {
    const answers = await ask(
      { case: "fileByFilename", value: "nope.proto" },
      { case: "fileContainingSymbol", value: "latchkey.store.v1.Record" },
      { case: "allExtensionNumbersOfType", value: "nope" },
      { case: undefined },
      { case: "listServices", value: "" },
    );
    expect(answers.map((answer) => (answer.case === "errorResponse" ? answer.value.errorCode : answer.case))).toEqual([
      5,
      5,
      5,
      3,
      "listServicesResponse",
    ]);
  });
});

it("lets buf curl list the services and call a method by its name alone", async () => {
  const server = await start();
  const buf = (...args: string[]) =>
    promisify(execFile)(join(import.meta.dirname, "../../node_modules/.bin/buf"), [
      "curl",
      "--http2-prior-knowledge",
      ...["--protocol", "grpc"],
      ...args,
    ]);
  const list = await buf("--list-services", server.url);
  expect(list.stdout.trim().split("\n").sort()).toEqual(SERVED);
  const call = await buf("--data", '{"label":"by buf"}', `${server.url}/latchkey.v1.TokenService/Create`);
  expect(JSON.parse(JSON.parse(call.stdout).secret)).toMatchObject({ label: "by buf", protocol: "grpc" });
});
