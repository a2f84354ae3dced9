import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type handleUnaryCall, type MethodDefinition, Server, ServerCredentials, status } from "@grpc/grpc-js";
import {
  type IntrospectRequest,
  IntrospectRequestSchema,
  type IntrospectResponse,
  IntrospectResponseSchema,
} from "../../gen/latchkey/v1/token_service_pb.ts";
import { tell } from "./environment.ts";
import { createPlainIntrospect } from "./plain-introspect.ts";

const answer = createPlainIntrospect();

const method: MethodDefinition<IntrospectRequest, IntrospectResponse> = {
  path: "/latchkey.v1.TokenService/Introspect",
  requestStream: false,
  responseStream: false,
  requestSerialize: (message) => Buffer.from(toBinary(IntrospectRequestSchema, message)),
  requestDeserialize: (bytes) => fromBinary(IntrospectRequestSchema, bytes),
  responseSerialize: (message) => Buffer.from(toBinary(IntrospectResponseSchema, message)),
  responseDeserialize: (bytes) => fromBinary(IntrospectResponseSchema, bytes),
};

const introspect: handleUnaryCall<IntrospectRequest, IntrospectResponse> = (call, done) => {
  answer(call.request.secret).then(
    (found: MessageInitShape<typeof IntrospectResponseSchema>) => done(null, create(IntrospectResponseSchema, found)),
    (error: unknown) => done({ code: status.INTERNAL, details: String(error) }),
  );
};

const server = new Server();
server.addService({ introspect: method }, { introspect });
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  tell(port);
});
