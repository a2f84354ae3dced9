import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { fieldError } from "../errors.ts";

const MAX_BYTES = 4096;

/**
 * Checks claims before they are stored, so that they come back exactly as they were sent.
 *
 * @throws CLAIMS_INVALID if they are larger than 4 KiB of JSON, or hold a number or text that JSON can't hold.
 */
export function checkClaims(claims: JsonObject | undefined): JsonObject | undefined {
  if (claims === undefined) return undefined;
  if (!isWellFormed(claims))
    throw fieldError("CLAIMS_INVALID", "claims", "holds text or a number that JSON can't hold");
  const size = Buffer.byteLength(JSON.stringify(claims));
  if (size > MAX_BYTES)
    throw fieldError("CLAIMS_INVALID", "claims", `is ${size} bytes of JSON, more than ${MAX_BYTES}`);
  return claims;
}

function isWellFormed(value: JsonValue): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value);
  if (value === null || typeof value === "boolean") return true;
  if (Array.isArray(value)) return value.every(isWellFormed);
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWellFormed(inner));
}
