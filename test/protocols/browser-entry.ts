import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { runScenario, type Step } from "./scenario.ts";

/** What the test calls in the page. */
export interface ScenarioWindow {
  runInBrowser(options: BrowserRun): Promise<Step[]>;
}

export interface BrowserRun {
  readonly url: string;
  readonly protocol: "connect-json" | "connect-binary" | "grpc-web";
  readonly rootToken: string;
  readonly tenant: string;
}

Object.assign(window, {
  runInBrowser({ url, protocol, rootToken, tenant }: BrowserRun) {
    return runScenario(
      (token) => {
        const options = { baseUrl: url, interceptors: [withToken(token)] };
        return createClient(
          TokenService,
          protocol === "grpc-web"
            ? createGrpcWebTransport(options)
            : createConnectTransport({ ...options, useBinaryFormat: protocol === "connect-binary" }),
        );
      },
      rootToken,
      tenant,
    );
  },
} satisfies ScenarioWindow);

function withToken(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
