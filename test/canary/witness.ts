import { readFileSync } from "node:fs";
import { toJson } from "@bufbuild/protobuf";
import { ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { type ExchangeResponse, TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { ROOT_TOKEN, withToken } from "../support/service.ts";
import { findSecrets, type Place, partsOf, type Secret } from "./search.ts";

export const PASSWORD = "canary-password-of-redis-0123456789";
/** The ways of calling. */
export const TRANSPORTS = {
  Connect: (baseUrl: string, interceptors: Interceptor[]) =>
    createConnectTransport({ baseUrl, interceptors, httpVersion: "1.1", useBinaryFormat: false }),
  gRPC: (baseUrl: string, interceptors: Interceptor[]) => createGrpcTransport({ baseUrl, interceptors }),
  "gRPC-Web": (baseUrl: string, interceptors: Interceptor[]) =>
    createGrpcWebTransport({ baseUrl, interceptors, httpVersion: "1.1" }),
};

/** The methods whose answers hold a secret, which is the one they issue. */
const ISSUING = new Set(["Create", "Rotate", "Exchange"]);

/** Collects what a service gives away, and what it must not. */
export class Witness {
  readonly secrets: Secret[] = [
    { name: "the root token", text: ROOT_TOKEN },
    { name: "Redis's password", text: PASSWORD },
  ];
  readonly places: Place[] = [];

  /** Notes every answer and error with its headers and trailers; and the secrets, which only the methods that issue them may tell. */
  readonly listen: Interceptor = (next) => async (request) => {
    const name = request.method.name;
    try {
      const response = await next(request);
      const headers = JSON.stringify([[...response.header], [...response.trailer]]);
      this.places.push({ name: `the headers of ${name}`, content: headers });
      if (!response.stream) this.#noteAnswer(name, toJson(response.method.output, response.message), response.message);
      return response;
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      const told = [error.message, [...error.metadata], error.details];
      this.places.push({ name: `an error of ${name}`, content: JSON.stringify(told) });
      throw thrown;
    }
  };

  #noteAnswer(name: string, answer: unknown, message: object): void {
    const { secret = "", parentSecret = "", token } = message as Partial<ExchangeResponse>;
    const issued = ISSUING.has(name) ? [secret, parentSecret].filter((text) => text !== "") : [];
    for (const text of issued)
      this.secrets.push(...partsOf(`a secret of ${name} for ${token?.kind} ${token?.id}`, text));
    const rest = issued.reduce((told, text) => told.replaceAll(text, ""), JSON.stringify(answer));
    this.places.push({ name: `the answer of ${name}`, content: rest });
  }

  noteKeys(path: string): void {
    const text = /secret: (\S+)/.exec(readFileSync(path, "utf8"))?.[1] as string;
    this.secrets.push({ name: "the service key in base64", text });
    this.secrets.push({ name: "the raw service key", text: Buffer.from(text, "base64").toString("latin1") });
  }

  find(): string[] {
    return findSecrets(this.secrets, this.places);
  }
}

/** Makes clients that tell the witness all that they hear. */
export function connectTo(url: string, witness: Witness, protocol: keyof typeof TRANSPORTS) {
  return (token: string) => createClient(TokenService, TRANSPORTS[protocol](url, [withToken(token), witness.listen]));
}
