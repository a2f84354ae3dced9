import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { TokenService } from "../../gen/latchkey/v1/token_service_pb.ts";
import { announce } from "./environment.ts";
import { createPlainIntrospect } from "./plain-introspect.ts";

const introspect = createPlainIntrospect();

const handler = connectNodeAdapter({
  routes: (router) => router.service(TokenService, { introspect: ({ secret }) => introspect(secret) }),
});
announce(createServer(handler));
