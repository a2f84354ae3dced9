import { keysPath, required } from "../candidates/environment.ts";
import { answerWith } from "../candidates/fill-order.ts";
import type { KeyFile } from "../load/job.ts";
import { inParallel, writeKeys } from "./fill.ts";
import { openIssuer } from "./issue.ts";

/** Subjects that all have as many tokens. */
export interface SubjectSet {
  readonly name: string;
  readonly subjects: number;
  readonly tokensEach: number;
  /** Where the subjects' names go, as keys. */
  readonly path: string;
}

const sets = JSON.parse(required("FILL")) as SubjectSet[];
const issuer = await openIssuer(required("REDIS_URL"), keysPath());
const files: KeyFile[] = [];
for (const { name, subjects, tokensEach, path } of sets) {
  const names = Array.from({ length: subjects }, (_, index) => `${name}-${String(index).padStart(5, "0")}`);
  // A subject's tokens are made far apart from each other, as in life.
  await inParallel(subjects * tokensEach, 128, (index) =>
    issuer.issue({ subject: names[index % subjects] as string, kind: "personal" }),
  );
  const keys = names.map((key) => ({ key, proof: "", isGood: true }));
  files.push(writeKeys(path, keys, "in-turn"));
}
answerWith(files);
await issuer.close();
