import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, Code, type Client as ConnectClient, ConnectError } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { type ChannelCredentials, type ChannelOptions, Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";

/**
 * A client over @grpc/grpc-js, which shares no code with the server, in the shape of a Connect client. Sends these headers, and those
 * of a call's options, which are all of them that it knows.
 */
export function createGrpcJsClient(
  address: string,
  credentials: ChannelCredentials,
  headers: Readonly<Record<string, string>>,
  options: ChannelOptions = {},
): ConnectClient<typeof TokenService> & { close(): void } {
  const client = new Client(address, credentials, options);
  const methods = TokenService.methods.map((method) => {
    const call = (init: Record<string, unknown>, options: CallOptions = {}) =>
      new Promise<Message>((resolve, reject) => {
        const metadata = new Metadata();
        for (const [name, value] of [...Object.entries(headers), ...new Headers(options.headers)])
          metadata.set(name, value);
        client.makeUnaryRequest(
          `/${TokenService.typeName}/${method.name}`,
          (message: Message) => Buffer.from(toBinary(method.input, message)),
          (bytes: Buffer) => fromBinary(method.output, bytes),
          create(method.input, init),
          metadata,
          (error, answer) => (error ? reject(toConnectError(error)) : resolve(answer as Message)),
        );
      });
    return [method.localName, call] as const;
  });
  return Object.assign(Object.fromEntries(methods) as unknown as ConnectClient<typeof TokenService>, {
    close: () => client.close(),
  });
}

/** The error with its details, which grpc-js leaves unread in the trailers. */
function toConnectError(error: ServiceError): ConnectError {
  const trailers = new Headers({
    "grpc-status": String(error.code),
    "grpc-message": encodeURIComponent(error.details),
  });
  for (const value of error.metadata.get("grpc-status-details-bin")) {
    trailers.set("grpc-status-details-bin", Buffer.from(value as Buffer).toString("base64"));
  }
  return findTrailerError(trailers) ?? new ConnectError("no error in the trailers", Code.Unknown);
}
