import type { JsonObject } from "@bufbuild/protobuf";
import { z } from "zod";
import { nameField } from "../config/field-name.ts";
import type { ForeignToken } from "../domain/import.ts";
import { MAX_JTI } from "../domain/imported.ts";

/** How deep claims may be nested: what every reader of protobuf takes. */
const MAX_DEPTH = 16;
const MAX_USES = 1_000_000_000;

const bytes = (most: number) =>
  z.string().refine((text) => Buffer.byteLength(text) <= most, `must have at most ${most} bytes`);

// The rules of `CreateRequest`.
const name = (most: number) =>
  bytes(most).regex(/^[^\p{C}\p{Z}]+$/u, "must be neither empty nor hold spaces or control characters");
const label = (most: number) => bytes(most).regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, "must hold no control characters");
const scope = bytes(128).regex(/^[!#-[\]-~]+$/, "must be a scope (RFC 6749, section 3.3)");
const list = <S extends z.ZodType>(item: S, most: number) =>
  z.array(item).max(most, `must have at most ${most} entries`);

const time = z.iso
  .datetime({ offset: true, error: "must be a time with its zone, such as 2027-01-31T12:00:00Z (RFC 3339)" })
  .transform((text) => Date.parse(text));

// Not a record, which would be a copy without `__proto__`.
const claims = z
  .custom<JsonObject>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "must be an object",
  )
  .refine((value) => isWithin(value, MAX_DEPTH), `must be nested at most ${MAX_DEPTH} deep`);

/** A line of a file. Null is what databases write for a value that is not there; but only `true` and `false` switch a token. */
const line = z.strictObject({
  source: bytes(64),
  digest: bytes(256).nullish(),
  jwt_id: z.string().max(MAX_JTI, `must have at most ${MAX_JTI} characters`).nullish(),
  tenant: name(128),
  subject: name(256),
  kind: bytes(64),
  label: label(256).nullish(),
  // Short, so that nobody puts the secret itself here.
  hint: label(16).nullish(),
  scopes: list(scope, 64).nullish(),
  audiences: list(name(256), 16).nullish(),
  claims: claims.nullish(),
  client_id: name(256).nullish(),
  create_time: time.nullish(),
  expire_time: time.nullish(),
  active: z.boolean().default(true),
  uses_left: z
    .number()
    .refine(
      (uses) => Number.isInteger(uses) && uses >= 1 && uses <= MAX_USES,
      `must be a whole number, 1 to ${MAX_USES}`,
    )
    .nullish(),
});

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The token of a line; why it is none (without any value of it), or undefined for a blank line. */
export function readLine(bytes: Uint8Array): ForeignToken | string | undefined {
  const text = decode(bytes);
  if (text === undefined) return "is not UTF-8";
  if (text.trim() === "") return undefined;
  const content = parse(text);
  if (content === undefined) return "is not JSON";
  const { data, error } = line.safeParse(content, { error: explainType });
  if (!data) return error.issues.flatMap(faultsOf).join("; ");
  return {
    source: data.source,
    digest: data.digest ?? "",
    jwtId: data.jwt_id ?? "",
    tenant: data.tenant,
    subject: data.subject,
    kind: data.kind,
    label: data.label ?? "",
    hint: data.hint ?? "",
    scopes: data.scopes ?? [],
    audiences: data.audiences ?? [],
    claims: data.claims ?? undefined,
    clientId: data.client_id ?? "",
    createTime: data.create_time ?? undefined,
    expireTime: data.expire_time ?? undefined,
    active: data.active,
    usesLeft: data.uses_left ?? undefined,
  };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The parser's message would quote the line. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const TYPES: Record<string, string> = {
  string: "must be a text",
  number: "must be a number",
  boolean: "must be true or false",
  array: "must be a list",
};

function explainType(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== "invalid_type") return undefined;
  if (!issue.path?.length) return "is not a JSON object";
  return issue.input === undefined ? "is missing" : TYPES[issue.expected];
}

function faultsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => `${nameUnknown(key)}: is not a known field`);
  return [issue.path.length === 0 ? issue.message : `${nameField(issue.path)}: ${issue.message}`];
}

/** A field that nobody knows may hold anything in its name, too. */
function nameUnknown(key: string): string {
  return /^[A-Za-z][\w-]{0,31}$/.test(key) ? key : "(a field of another name)";
}

function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isWithin(inner, depth - 1));
}
