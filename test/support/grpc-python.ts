import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DEBIAN_PYTHON } from "./system-tools.ts";

export interface PythonCall {
  readonly path: string;
  readonly request: Uint8Array;
  /** Pairs of name and value; the values of names that end in `-bin` in base64. */
  readonly metadata: readonly (readonly [string, string])[];
  /** Milliseconds. */
  readonly timeout: number;
}

export interface PythonOutcome {
  readonly code: number;
  readonly message: string;
  /** Base64. */
  readonly answer?: string;
  /** `grpc-status-details-bin` in base64. */
  readonly details?: string;
}

/** A client over grpcio (gRPC's C core), in a process of its own. Takes one call after the other. */
export function startPythonClient(address: string) {
  const child = spawn(DEBIAN_PYTHON, [join(import.meta.dirname, "grpc_client.py"), address]);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let complaints = "";
  child.stderr.on("data", (chunk) => {
    complaints += chunk;
  });

  return {
    async call({ request, ...order }: PythonCall): Promise<PythonOutcome> {
      child.stdin.write(`${JSON.stringify({ ...order, request: Buffer.from(request).toString("base64") })}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`the Python client has ended: ${complaints}`);
      return JSON.parse(value);
    },
    async close(): Promise<void> {
      const ended = once(child, "close");
      child.stdin.end();
      await ended;
    },
  };
}
