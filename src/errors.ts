/** Canonical status codes (google.rpc.Code) that Latchkey answers. */
export type Code =
  | "CANCELLED"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "UNAUTHENTICATED";

/** Every reason an error of Latchkey can have, with its code. Reasons are part of the API: they are added, never changed. */
const CODES = {
  /** The call names no caller: no `authorization` header and no client certificate. */
  CREDENTIALS_MISSING: "UNAUTHENTICATED",
  /** The credentials are not good. Why is told to nobody outside. */
  CREDENTIALS_INVALID: "UNAUTHENTICATED",
  /** The kind asks for a fresh login, and the caller's was too long ago, or is not known (RFC 9470). */
  LOGIN_TOO_OLD: "UNAUTHENTICATED",
  /** The caller lacks the permission that the method needs. */
  PERMISSION_DENIED: "PERMISSION_DENIED",
  /** A tenant or subject other than the caller's own, without the permission for it. */
  OWNER_BEYOND_CALLER: "PERMISSION_DENIED",
  /** A scope that the caller does not have itself. */
  SCOPE_BEYOND_CALLER: "PERMISSION_DENIED",
  /** An audience that the caller's own token is not for. */
  AUDIENCE_BEYOND_CALLER: "PERMISSION_DENIED",
  /** A token of the caller's own kind that would outlive the caller's. */
  LIFETIME_BEYOND_CALLER: "PERMISSION_DENIED",
  /** A token from an exchange would outlive the one that it is exchanged from. */
  LIFETIME_BEYOND_PARENT: "PERMISSION_DENIED",
  /** The token is bound to another client than the one named. */
  CLIENT_MISMATCH: "PERMISSION_DENIED",
  /** The kind may not be created by this caller. */
  KIND_NOT_ALLOWED: "PERMISSION_DENIED",
  /** A field that only an administrator may change. */
  FIELD_NOT_ALLOWED: "PERMISSION_DENIED",
  /** The request breaks a rule of the API's definition, or can't be read. */
  INVALID_REQUEST: "INVALID_ARGUMENT",
  /** No such kind. */
  KIND_UNKNOWN: "INVALID_ARGUMENT",
  /** A life that is zero, negative, in the past, beyond what a date can hold, no duration, or none of those that the kind names. */
  LIFETIME_INVALID: "INVALID_ARGUMENT",
  /** A life longer than the kind allows. */
  LIFETIME_TOO_LONG: "INVALID_ARGUMENT",
  /** The kind has no permanent tokens. */
  PERMANENT_NOT_ALLOWED: "INVALID_ARGUMENT",
  /** More uses than the kind allows. */
  USES_INVALID: "INVALID_ARGUMENT",
  /** The kind's labels are unique, and none was sent. */
  LABEL_REQUIRED: "INVALID_ARGUMENT",
  /** Claims that are too large or not well-formed, or more claims, scopes and audiences than a JWT has room for. */
  CLAIMS_INVALID: "INVALID_ARGUMENT",
  /** A scope that the token does not have: scopes can only be taken away. */
  SCOPE_WIDENED: "INVALID_ARGUMENT",
  /** An audience that the token is not for: audiences can only be taken away. */
  AUDIENCE_WIDENED: "INVALID_ARGUMENT",
  /** Tokens of this kind are not exchanged for the kind asked for. */
  EXCHANGE_NOT_ALLOWED: "INVALID_ARGUMENT",
  /** A page token that was changed, or made for another caller or other conditions. */
  PAGE_TOKEN_INVALID: "INVALID_ARGUMENT",
  /** No such token in the caller's reach. */
  TOKEN_NOT_FOUND: "NOT_FOUND",
  /** Another live token of this subject and kind has the label. */
  LABEL_TAKEN: "ALREADY_EXISTS",
  /** The request id was used before, with another request. */
  REQUEST_ID_REUSED: "ALREADY_EXISTS",
  /** The token is expired, used up or switched off. */
  TOKEN_NOT_ACTIVE: "FAILED_PRECONDITION",
  /** The secret was good once, and has been replaced since. */
  SECRET_SPENT: "FAILED_PRECONDITION",
  /** The subject has as many live tokens of this kind as it may. */
  CAP_REACHED: "RESOURCE_EXHAUSTED",
  /** The token has changed since the etag was read. */
  ETAG_MISMATCH: "ABORTED",
  /** Others kept changing the token at the same moment. */
  CONFLICT: "ABORTED",
  /** The store can't be reached, does not answer in time, or has too few replicas. A write may still happen. */
  STORE_UNAVAILABLE: "UNAVAILABLE",
  /** The keys of the JWT's issuer can't be fetched. Says nothing about the JWT. */
  ISSUER_UNAVAILABLE: "UNAVAILABLE",
  /** The token was made with a newer service key than this instance has been given. */
  KEY_MISSING: "UNAVAILABLE",
  /** The server is shutting down. */
  SHUTTING_DOWN: "UNAVAILABLE",
  /** No such method. */
  METHOD_UNKNOWN: "UNIMPLEMENTED",
  /** The request is compressed, which the server does not take. */
  COMPRESSION_UNSUPPORTED: "UNIMPLEMENTED",
  /** The message is larger than the server takes. */
  MESSAGE_TOO_LARGE: "RESOURCE_EXHAUSTED",
  /** The call's deadline passed. A write may still happen. */
  DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
  /** The caller left. */
  CANCELLED: "CANCELLED",
  /** A fault of Latchkey itself. */
  INTERNAL: "INTERNAL",
} as const satisfies Record<string, Code>;

export type Reason = keyof typeof CODES;

/** What is wrong with one field of a request: its path in the proto's names, and why. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

interface Details {
  readonly violations?: readonly FieldViolation[];
  /** After how many milliseconds it makes sense to try again. */
  readonly retryDelay?: number;
  readonly cause?: unknown;
}

/** The one error of Latchkey. Its message is for people and holds no secret; programs go by `reason`. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly reason: Reason;
  readonly violations: readonly FieldViolation[];
  readonly retryDelay: number | undefined;

  constructor(reason: Reason, message: string, details: Details = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.reason = reason;
    this.violations = details.violations ?? [];
    this.retryDelay = details.retryDelay;
  }

  get code(): Code {
    return CODES[this.reason];
  }
}

/** An error that is about one field. */
export function fieldError(reason: Reason, field: string, description: string): TokenError {
  return new TokenError(reason, `${field}: ${description}`, { violations: [{ field, description }] });
}
