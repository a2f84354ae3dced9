import type { DescFile, DescService } from "@bufbuild/protobuf";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import * as v1 from "#gen/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "#gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { type Descriptors, encodeFile, indexDescriptors, withImports } from "./descriptors.ts";

/** The two versions differ in nothing but their package. */
type Question = v1.ServerReflectionRequest["messageRequest"] | v1alpha.ServerReflectionRequest["messageRequest"];

/** Adds gRPC server reflection, in both versions that clients use, about the given services and itself. */
export function addReflection(router: ConnectRouter, described: readonly DescService[]): void {
  const services = [...described, v1.ServerReflection, v1alpha.ServerReflection];
  const descriptors = indexDescriptors(services.map((service) => service.file));

  router.service(v1.ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const messageResponse = answer(request.messageRequest, services, descriptors);
        yield { validHost: request.host, originalRequest: request, messageResponse };
      }
    },
  });
  router.service(v1alpha.ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const messageResponse = answer(request.messageRequest, services, descriptors);
        yield { validHost: request.host, originalRequest: request, messageResponse };
      }
    },
  });
}

function answer(question: Question, services: readonly DescService[], descriptors: Descriptors) {
  switch (question.case) {
    case "listServices":
      return listServices(services);
    case "fileByFilename":
      return sendFile(descriptors.fileByName(question.value));
    case "fileContainingSymbol":
      return sendFile(descriptors.fileOfSymbol(question.value));
    case "fileContainingExtension":
      return sendFile(descriptors.extension(question.value.containingType, question.value.extensionNumber)?.file);
    case "allExtensionNumbersOfType":
      return sendNumbers(question.value, descriptors.extensionNumbers(question.value));
    default:
      return refuse(Code.InvalidArgument, "the request asks nothing that this server knows");
  }
}

function listServices(services: readonly DescService[]) {
  const service = services.map(({ typeName }) => ({ name: typeName }));
  return { case: "listServicesResponse" as const, value: { service } };
}

/** With all that it imports, so that a client needs to ask once. */
function sendFile(file: DescFile | undefined) {
  if (!file) return refuse(Code.NotFound, "not found");
  return {
    case: "fileDescriptorResponse" as const,
    value: { fileDescriptorProto: withImports([file]).map(encodeFile) },
  };
}

function sendNumbers(baseTypeName: string, extensionNumber: number[] | undefined) {
  if (!extensionNumber) return refuse(Code.NotFound, "not found");
  return { case: "allExtensionNumbersResponse" as const, value: { baseTypeName, extensionNumber } };
}

function refuse(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}
