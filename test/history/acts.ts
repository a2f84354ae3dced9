import type { Act, NewToken, Operation } from "./history.ts";

// Operations as the tests of the checker write them down: token `t` of ada, its secrets `t/1`, `t/2` and so on.

export const NEVER = Number.POSITIVE_INFINITY;

/** An act whose outcome follows from its times unless it is told. */
type Undecided<A extends Act> = A extends Act ? Omit<A, "outcome"> & { readonly outcome?: string } : never;

/** What a client called `c` did from one millisecond to another; to `NEVER` where it got no answer. */
function at(began: number, ended: number, act: Undecided<Act>): Operation {
  return { client: "c", instance: "one", began, ended, outcome: ended === NEVER ? "unknown" : "done", ...act };
}

/** The same, through another instance. */
export const elsewhere = (operation: Operation): Operation => ({ ...operation, instance: "two" });

type Fields = Partial<Omit<NewToken, "id">>;

const newToken = (id: string, fields: Fields = {}): NewToken => ({
  id,
  secret: `${id}/1`,
  subject: "ada",
  kind: "x",
  ...fields,
});
export const create = (began: number, ended: number, id = "t", fields: Fields = {}) =>
  at(began, ended, { type: "Create", made: newToken(id, fields) });
const use =
  (type: "Introspect" | "Peek" | "Call" | "Ask") =>
  (began: number, ended: number, secret = "t/1", outcome = "done") =>
    at(began, ended, { type, token: secret.slice(0, -2), secret, ...(ended !== NEVER && { outcome }) });
export const introspect = use("Introspect");
export const peek = use("Peek");
export const call = use("Call");
export const ask = use("Ask");
export const exchange = (began: number, ended: number, secret: string, child: string, successor?: string) =>
  at(began, ended, { type: "Exchange", token: secret.slice(0, -2), secret, made: newToken(child), successor });
export const refusedExchange = (began: number, ended: number, secret: string, outcome: string) =>
  at(began, ended, { type: "Exchange", token: secret.slice(0, -2), secret, outcome });
export const setActive = (began: number, ended: number, active: boolean, outcome?: string) =>
  at(began, ended, { type: "SetActive", token: "t", active, ...(outcome !== undefined && { outcome }) });
export const rotate = (
  began: number,
  ended: number,
  successor?: string,
  how: { grace?: number; onFirstUse?: boolean } = {},
) => at(began, ended, { type: "Rotate", token: "t", grace: 0, onFirstUse: false, successor, ...how });
export const remove = (began: number, ended: number, token = "t", outcome?: string) =>
  at(began, ended, { type: "Delete", token, ...(outcome !== undefined && { outcome }) });
export const update = (began: number, ended: number, outcome?: string) =>
  at(began, ended, { type: "Update", token: "t", ...(outcome !== undefined && { outcome }) });
export const get = (began: number, ended: number, outcome?: string) =>
  at(began, ended, { type: "Get", token: "t", ...(outcome !== undefined && { outcome }) });
export const deleteAll = (
  began: number,
  ended: number,
  filter: { subject?: string; kinds?: string[]; exceptIds?: string[] } = {},
) => at(began, ended, { type: "DeleteAll", subject: "ada", kinds: [], exceptIds: [], ...filter });

export const born = create(0, 1);
export const limited = (uses: number) => create(0, 1, "t", { uses });
export const onFirstUse = (grace = 0) => ({ grace, onFirstUse: true });
