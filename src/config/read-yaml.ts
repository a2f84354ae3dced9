import { readFileSync } from "node:fs";
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { ConfigError } from "./config-error.ts";
import { nameField } from "./field-name.ts";

/** How many nodes aliases may stand for, all in all: a file of a few lines must not grow to gigabytes. */
const MAX_ALIASES = 100;

type Path = readonly PropertyKey[];

/** Something wrong at a place of a file: a path of keys and indexes, or an offset in characters. */
interface Fault {
  readonly at: Path | number;
  readonly message: string;
}

/**
 * Reads a YAML or JSON file of the shape of `schema`.
 *
 * @throws ConfigError with all faults at once, each as `file:line: field: message`, without any value of the file.
 */
export function readYaml<S extends z.ZodType>(path: string, schema: S): z.output<S> {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { prettyErrors: false, lineCounter: lines, stringKeys: true });
  const { value, faults } = validate(document, schema);
  if (faults.length === 0) return value as z.output<S>;
  const placed = faults.map((fault) => ({ ...fault, line: lines.linePos(locate(document, fault.at)).line }));
  placed.sort((one, other) => one.line - other.line);
  throw new ConfigError(
    path,
    placed.map(({ line, at, message }) => `${path}:${line}: ${labelField(at)}${message}`),
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(path, [`${path}: can't be read (${(error as NodeJS.ErrnoException).code})`]);
  }
}

function validate(document: Document.Parsed, schema: z.ZodType): { value?: unknown; faults: Fault[] } {
  const syntax = [...findSyntaxFaults(document), ...findAliasFaults(document)];
  if (syntax.length > 0) return { faults: syntax };
  const content = convert(document);
  if (content === undefined) return { faults: [{ at: 0, message: "has too many aliases" }] };
  const result = schema.safeParse(content.value, { error: explainMissing });
  return result.success ? { value: result.data, faults: [] } : { faults: result.error.issues.flatMap(toFaults) };
}

/** The parser's own messages may quote the file, so that only its codes are told. */
function findSyntaxFaults({ errors, warnings }: Document.Parsed): Fault[] {
  return [...errors, ...warnings].map(({ code, pos: [at] }) => ({
    at,
    message: code === "DUPLICATE_KEY" ? "the key is there twice" : `is not well-formed (${code})`,
  }));
}

function findAliasFaults(document: Document.Parsed): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Alias(_, alias, ancestors) {
      const target = alias.resolve(document);
      const at = alias.range?.[0] ?? 0;
      if (target === undefined) faults.push({ at, message: "the alias has no anchor" });
      else if (ancestors.includes(target)) faults.push({ at, message: "the alias stands within its own anchor" });
    },
  });
  return faults;
}

function convert(document: Document.Parsed): { value: unknown } | undefined {
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }) };
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

function explainMissing(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_type" && issue.input === undefined ? "is missing" : undefined;
}

function toFaults(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code !== "unrecognized_keys") return [{ at: issue.path, message: issue.message }];
  return issue.keys.map((key) => ({ at: [...issue.path, key], message: "is not a known field" }));
}

/** The offset of the field, or of the nearest thing around it that is there. */
function locate(document: Document.Parsed, at: Fault["at"]): number {
  if (typeof at === "number") return at;
  let node: unknown = document.contents;
  let offset = offsetOf(node) ?? 0;
  for (const step of at) {
    if (isAlias(node)) node = node.resolve(document);
    const [place, next] = child(node, step);
    offset = offsetOf(place) ?? offset;
    node = next;
  }
  return offset;
}

/** What of a node stands under a key or index: where it begins, and its value. */
function child(node: unknown, step: PropertyKey): [place: unknown, value: unknown] {
  if (isSeq(node)) return [node.items[Number(step)], node.items[Number(step)]];
  if (!isMap(node)) return [undefined, undefined];
  const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
  return [pair?.key, pair?.value];
}

function offsetOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
}

/** The field and a colon. Nothing for the file as a whole. */
function labelField(at: Fault["at"]): string {
  return typeof at === "number" || at.length === 0 ? "" : `${nameField(at)}: `;
}
