import type { DescMessage, Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { TokenError } from "../errors.ts";
import { isPlainlyValid } from "./plain-requests.ts";

/** Checks requests against the rules that stand in the proto (protovalidate). */
export function createRequestValidator(): (type: DescMessage, message: Message) => void {
  const validator = createValidator({ regexMatch: createMatcher() });

  return (type, message) => {
    if (isPlainlyValid(type, message)) return;
    const result = validator.validate(type, message);
    if (result.kind === "error") throw result.error;
    if (result.kind === "invalid") throw invalidRequest(result.violations);
  };
}

/** The engine's own regular expressions: several times as fast as RE2 in JavaScript, and all patterns are ours. */
function createMatcher(): (pattern: string, text: string) => boolean {
  const compiled = new Map<string, RegExp>();
  const compile = (pattern: string) => {
    const expression = new RegExp(pattern, "u");
    compiled.set(pattern, expression);
    return expression;
  };
  return (pattern, text) => (compiled.get(pattern) ?? compile(pattern)).test(text);
}

/** The patterns of the proto in words, because a regular expression tells a caller little. */
const PATTERNS: Record<string, string> = {
  "^[^\\p{C}\\p{Z}]+$": "must be visible characters without spaces",
  "^[^\\p{C}\\p{Zl}\\p{Zp}]*$": "must be one line without control characters",
  "^[!#-\\[\\]-~]+$": "must be ASCII without spaces, quotes and backslashes (RFC 6749, section 3.3)",
};

function invalidRequest(found: readonly Violation[]): TokenError {
  const violations = found.map((violation) => ({
    field: pathToString(violation.field),
    description: describe(violation.message),
  }));
  const message = violations
    .map(({ field, description }) => (field ? `${field}: ${description}` : description))
    .join("; ");
  return new TokenError("INVALID_REQUEST", message, { violations });
}

function describe(message: string): string {
  const [, pattern = ""] = /^does not match regex pattern `(.*)`$/s.exec(message) ?? [];
  return PATTERNS[pattern] ?? message;
}
