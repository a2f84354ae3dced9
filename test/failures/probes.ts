import { setTimeout } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";

/** Between two probes, in milliseconds. */
const PAUSE = 100;

/** What an instance says of itself all the time, as Kubernetes and load balancers ask it. */
export interface Probes {
  /** The longest that it took to answer, in milliseconds. */
  readonly slowest: number;
  /** When it was not ready, by `/readyz` and by gRPC, in milliseconds of `performance.now()`. */
  readonly unready: { readonly http: readonly number[]; readonly grpc: readonly number[] };
  /** How often it did not say that it lives. */
  readonly dead: number;
  stop(): Promise<void>;
}

export function startProbes(url: string): Probes {
  const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
  const end = new AbortController();
  const found = { slowest: 0, unready: { http: [] as number[], grpc: [] as number[] }, dead: 0 };
  const ask = async (probe: () => Promise<boolean>, miss: () => unknown) => {
    while (!end.signal.aborted) {
      const began = performance.now();
      if (!(await probe().catch(() => false))) miss();
      found.slowest = Math.max(found.slowest, performance.now() - began);
      await setTimeout(PAUSE);
    }
  };
  const get = async (path: string) => (await fetch(url + path)).ok;
  const probing = Promise.all([
    ask(
      () => get("/healthz"),
      () => found.dead++,
    ),
    ask(
      () => get("/readyz"),
      () => found.unready.http.push(performance.now()),
    ),
    ask(
      async () => (await health.check({})).status === Status.SERVING,
      () => found.unready.grpc.push(performance.now()),
    ),
  ]);
  return Object.assign(found, {
    async stop() {
      end.abort();
      await probing;
    },
  });
}
