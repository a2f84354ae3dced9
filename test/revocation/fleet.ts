import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { outcomeOf } from "../attacks/world.ts";
import { createFolder } from "../support/at-end.ts";
import { spawnService, untilServing } from "../support/process.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";

const WORKERS = 2;

/** One process that answers calls, over a connection of the test's own. */
export interface Place {
  /** Whether it belongs to the service through which tokens are taken back. */
  readonly isSameService: boolean;
  /** Introspects as the owner of a secret. Answers what came of it. */
  callWith(secret: string): Promise<string>;
}

/** Several services of several workers on one store. */
export interface Fleet {
  /** The first process of the first service, for the root. */
  readonly root: Client<typeof TokenService>;
  /** All other processes. */
  readonly places: readonly Place[];
  stop(): Promise<void>;
}

/** @param store its URL. */
export async function startFleet(store: string, services: number): Promise<Fleet> {
  const folder = createFolder("latchkey-fleet-");
  const settings = {
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: store,
    LATCHKEY_KEYS: join(folder.path, "keys.yaml"),
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
    LATCHKEY_WORKERS: String(WORKERS),
  };
  const urls: string[] = [];
  while (urls.length < services) urls.push(await untilServing(spawnService(settings, folder.path)));
  const root = createServiceClient(urls[0] as string, ROOT_TOKEN);
  await root.introspect({ secret: "junk" });
  const places: Place[] = [];
  for (const [index, url] of urls.entries()) {
    const workers = index === 0 ? WORKERS - 1 : WORKERS;
    for (let count = 0; count < workers; count++) places.push(await connectTo(url, index === 0));
  }
  return { root, places, stop: () => folder.remove() };
}

/** Connections are given out to the workers in turn: each leads to the next one. */
async function connectTo(url: string, isSameService: boolean): Promise<Place> {
  const client = createClient(TokenService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
  const callWith = (secret: string) => {
    const headers = { authorization: `Bearer ${secret}` };
    return outcomeOf(client.introspect({ secret: "junk" }, { headers }));
  };
  await callWith(ROOT_TOKEN);
  return { isSameService, callWith };
}
