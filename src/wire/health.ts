import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import type { Readiness } from "./readiness.ts";

/** The server as a whole, and the one service that depends on the store. */
const SERVICES = ["", TokenService.typeName];
const POLL_MS = 1000;

/** The gRPC health protocol: SERVING as long as the server is ready. */
export function createHealth(readiness: Readiness): ServiceImpl<typeof Health> {
  const currentStatus = async () => ((await readiness.check()) ? Status.SERVING : Status.NOT_SERVING);

  return {
    async check({ service }) {
      if (!SERVICES.includes(service)) throw new ConnectError("unknown service", Code.NotFound);
      return { status: await currentStatus() };
    },

    async list() {
      const status = await currentStatus();
      return { statuses: Object.fromEntries(SERVICES.map((service) => [service, { status }])) };
    },

    async *watch({ service }, { signal }) {
      const end = AbortSignal.any([signal, readiness.draining]);
      let last: Status | undefined;
      while (!signal.aborted) {
        const status = SERVICES.includes(service) ? await currentStatus() : Status.SERVICE_UNKNOWN;
        if (status !== last) yield { status };
        last = status;
        if (readiness.draining.aborted) return;
        await delay(POLL_MS, undefined, { signal: end }).catch(() => undefined);
      }
    },
  };
}
