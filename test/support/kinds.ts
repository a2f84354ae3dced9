import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/**
 * A kind of every sort: used without bound and once, opaque and JWT, exchanged once (`link`, `ticket`), at will (`refresh`), and with a new
 * secret each time (`rotating`; `strict`, which dies when a spent one is presented).
 */
export const KINDS = `
kinds:
  - { name: service, prefix: lk_svc, permanent: true }
  - { name: personal, prefix: lk_pat, permanent: true, creators: [token] }
  - { name: named, prefix: lk_nam, permanent: true, unique_labels: true }
  - { name: few, prefix: lk_few, permanent: true, max_per_subject: 2 }
  - { name: session, prefix: lk_ses, default_lifetime: 10h }
  - { name: access, format: jwt, default_lifetime: 1h }
  - { name: link, prefix: lk_link, default_lifetime: 15m, max_uses: 1, exchanges_to: [{ kind: session, consume: true }] }
  - { name: ticket, format: jwt, default_lifetime: 15m, max_uses: 1, exchanges_to: [{ kind: session, consume: true }] }
  - { name: refresh, prefix: lk_ref, default_lifetime: 31d, exchanges_to: [{ kind: access }] }
  - { name: rotating, prefix: lk_rot, default_lifetime: 31d, exchanges_to: [{ kind: session, rotate: true }] }
  - name: strict
    prefix: lk_str
    default_lifetime: 31d
    exchanges_to: [{ kind: session, rotate: true, revoke_on_reuse: true }]
`;

/** Has these kinds in a file while the tests of the calling file run. Answers the variables of a service that reads it. */
export function useKinds(text = KINDS): () => Record<string, string> {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "latchkey-kinds-"));
    writeFileSync(join(folder, "kinds.yaml"), text);
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return () => ({ LATCHKEY_KINDS: join(folder, "kinds.yaml") });
}
