import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { DEBIAN_PYTHON } from "./system-tools.ts";

/** A header; a secret one must never get into a table. */
export type PythonField = readonly [name: string, value: string, isSecret?: boolean];

/** python3-hpack, in a process of its own, with the two tables of one connection. */
export function startPythonHpack() {
  const child = spawn(DEBIAN_PYTHON, [join(import.meta.dirname, "hpack_peer.py")]);
  onTestFinished(() => void child.kill());
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let complaints = "";
  child.stderr.on("data", (chunk) => {
    complaints += chunk;
  });
  const ask = async (order: object) => {
    child.stdin.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`Python has ended: ${complaints}`);
    return JSON.parse(value);
  };

  return {
    /** @param limit a new size of the table, which the block announces. */
    async encode(fields: readonly PythonField[], huffman: boolean, limit?: number): Promise<Buffer> {
      const order = { encode: fields.map(([name, value, isSecret = false]) => [name, value, isSecret]), huffman };
      return Buffer.from(await ask(limit === undefined ? order : { ...order, limit }), "hex");
    },
    async decode(block: Uint8Array): Promise<readonly (readonly [string, string])[]> {
      return await ask({ decode: Buffer.from(block).toString("hex") });
    },
  };
}
