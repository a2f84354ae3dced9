import { overGrpc } from "../candidates/table.ts";
import type { KeyFile } from "../load/job.ts";
import { fieldHead } from "../load/messages.ts";
import type { Machine } from "../machine/machine.ts";
import { type Cost, measureInTurn } from "./rounds.ts";
import type { World } from "./world.ts";

/** What a call costs at a subject with so many tokens. */
export interface LargeSubject {
  readonly tokens: number;
  /** The first page, of ten. */
  readonly list: Cost;
  readonly create: Cost;
}

/** As many tokens in each set, so that only their owners' number differs. */
const SIZES = [
  { tokensEach: 10, subjects: 10_000, name: "few" },
  { tokensEach: 1_000, subjects: 100, name: "many" },
  { tokensEach: 100_000, subjects: 1, name: "most" },
];
const PAGE = 10;
const SUBJECT_FIELD = 2;
const PAGE_SIZE = Buffer.of(14 << 3, PAGE);
const KIND = Buffer.concat([fieldHead(3, 8), Buffer.from("personal")]);

export async function measureLargeSubjects(world: World, machine: Machine): Promise<LargeSubject[]> {
  machine.say("makes subjects of 10, 1,000 and 100,000 tokens");
  const keyFiles = await world.addSubjects(SIZES);
  const measure = async (path: string, rest: Buffer, count: number): Promise<Cost[]> => {
    machine.say(`${path} at larger and larger subjects`);
    const target = (keys: KeyFile) => ({
      ...overGrpc(world.server.url, keys, world.filled.admin, {
        path: `/latchkey.v1.TokenService/${path}`,
        field: SUBJECT_FIELD,
        rest,
        expect: { type: "items", count },
      }),
      depth: 2,
    });
    return measureInTurn(
      keyFiles.map((keys) => ({ world, target: target(keys) })),
      machine,
    );
  };
  const lists = await measure("List", PAGE_SIZE, PAGE);
  const creates = await measure("Create", KIND, 1);
  return SIZES.map(({ tokensEach }, index) => ({
    tokens: tokensEach,
    list: lists[index] as Cost,
    create: creates[index] as Cost,
  }));
}
