import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { type ImportContext, REMEMBERED } from "../domain/import.ts";
import { TokenError } from "../errors.ts";
import type { TokenStore } from "../store/token-store.ts";
import { newProgress, type Progress, readProgress } from "./progress-file.ts";

/** How much of the beginning of a file tells it from others, in bytes. */
const HEAD = 64 * 1024;
const DAY = 24 * 3_600_000;

/** @throws INVALID_REQUEST if it can't be read, or is something else than a file. */
export async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new TokenError("INVALID_REQUEST", `${path} can't be read (${error.code})`);
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new TokenError("INVALID_REQUEST", `${path} is not a file`);
}

/**
 * How far the import of the file has come, by what was saved at `progressPath`.
 *
 * @throws INVALID_REQUEST if that is of another file or store, or was saved too long ago to go on from.
 */
export async function openProgress(
  { store, clock }: ImportContext,
  file: FileHandle,
  progressPath: string,
): Promise<Progress> {
  const [identity, mark] = [await identify(file), markOf(store)];
  const saved = readProgress(progressPath);
  if (!saved) return newProgress(identity, mark);
  if (saved.file.size !== identity.size || saved.file.head !== identity.head)
    throw stale(progressPath, "is of another file, or of this one before it was changed");
  if (saved.store !== mark) throw stale(progressPath, "is of an import into another store");
  if (!saved.finished && clock() - saved.saved >= REMEMBERED)
    throw stale(progressPath, `is of an import that was interrupted more than ${REMEMBERED / DAY} days ago`);
  return saved;
}

function stale(progressPath: string, fault: string): TokenError {
  const remedy = "delete it to import from the beginning, which brings back the tokens that were deleted since";
  return new TokenError("INVALID_REQUEST", `${progressPath} ${fault}: ${remedy}`);
}

async function identify(file: FileHandle): Promise<Progress["file"]> {
  const { size } = await file.stat();
  const head = Buffer.alloc(Math.min(HEAD, size));
  await file.read(head, 0, head.length, 0);
  return { size, head: createHash("sha256").update(head).digest("base64url") };
}

/** Every store gives the same owners other shard tags. */
function markOf(store: Pick<TokenStore, "shardTag">): string {
  return Array.from({ length: 8 }, (_, index) => store.shardTag({ tenant: "import", subject: `${index}` })).join("");
}
