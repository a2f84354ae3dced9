import type { DescMessage } from "@bufbuild/protobuf";
import {
  type BatchIntrospectRequest,
  BatchIntrospectRequestSchema,
  type IntrospectRequest,
  IntrospectRequestSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";

/** No unit of UTF-16 takes more bytes of UTF-8. */
const MOST_BYTES = 3;
const SCOPE = /^[!#-[\]-~]{1,128}$/;

const CHECKS = new Map<DescMessage, (request: never) => boolean>([
  [IntrospectRequestSchema, isPlainQuestion],
  [BatchIntrospectRequestSchema, isPlainBatch],
]);

/**
 * Whether a few comparisons show that a request keeps the rules of the proto: introspections, which come all day, are valid as a rule,
 * and protovalidate takes a microsecond to say so. Of all that it does not see through it says no, and then the rules are asked.
 */
export function isPlainlyValid(type: DescMessage, request: unknown): boolean {
  return CHECKS.get(type)?.(request as never) ?? false;
}

function isPlainBatch({ requests }: BatchIntrospectRequest): boolean {
  return requests.length >= 1 && requests.length <= 100 && requests.every(isPlainQuestion);
}

function isPlainQuestion({ secret, scopes, audience, kinds }: IntrospectRequest): boolean {
  return (
    secret.length >= 1 &&
    MOST_BYTES * secret.length <= 8192 &&
    MOST_BYTES * audience.length <= 256 &&
    kinds.length <= 64 &&
    scopes.length <= 64 &&
    scopes.every((scope) => SCOPE.test(scope))
  );
}
