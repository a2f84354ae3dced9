import type { DescMethod, DescMethodUnary } from "@bufbuild/protobuf";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";

/** The methods that go through the pipeline. */
export const unaryMethods: readonly DescMethodUnary[] = TokenService.methods.filter(isUnary);

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}
