import { createServer } from "node:http";
import { announce, connectRedis } from "../../candidates/environment.ts";
import { createProvider } from "./provider.ts";

announce(createServer(createProvider(connectRedis()).callback()));
