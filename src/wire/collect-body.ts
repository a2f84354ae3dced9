import type { Readable } from "node:stream";
import { BodyBytes, type BodyLimit } from "./body-bytes.ts";

/**
 * Settles `body` with what comes in: with all of it when it ends, or with MESSAGE_TOO_LARGE as soon as it is known to be too
 * long. Whatever comes after that is dropped.
 *
 * @param announced the header `content-length`.
 */
export function collectBody(
  source: Readable,
  announced: string | undefined,
  limit: BodyLimit,
  body: PromiseWithResolvers<Buffer>,
): void {
  const bytes = new BodyBytes(limit);
  const attempt = (step: () => void) => {
    try {
      step();
    } catch (error) {
      source.off("data", take);
      body.reject(error);
    }
  };
  const take = (chunk: Buffer) => attempt(() => bytes.add(chunk));
  source.on("data", take);
  source.once("end", () => body.resolve(bytes.join()));
  attempt(() => bytes.expect(announced));
}
