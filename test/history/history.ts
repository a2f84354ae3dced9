/** What several clients did to a service, and what they were told. Holds no secret: they are called `<token's id>/<number>`. */
export type History = readonly Operation[];

/** One call of one client. Times are milliseconds of one clock that never goes back. */
export type Operation = Span & Act;

export interface Span {
  readonly client: string;
  /** Through which process it was done. */
  readonly instance: string;
  readonly began: number;
  /** Infinity: it was never answered, and may take effect at any time. */
  readonly ended: number;
}

/** What was called, on what. The outcome is `done`, `unknown`, or the reason for a refusal. */
export type Act = Create | Use | Exchange | SetActive | Update | Get | Rotate | Delete | DeleteAll;

export interface Create {
  readonly type: "Create";
  readonly outcome: string;
  readonly made?: NewToken | undefined;
}

/** Presents a secret: to be introspected, or as who calls, to introspect (`Ask`) or for something else (`Call`). Done: it was good. */
export interface Use extends Presenting {
  readonly type: "Introspect" | "Peek" | "Call" | "Ask";
}

export interface Exchange extends Presenting {
  readonly type: "Exchange";
  readonly made?: NewToken | undefined;
  /** The presented token's new secret, where its kind rotates. */
  readonly successor?: string | undefined;
}

interface Presenting {
  readonly outcome: string;
  readonly token: string;
  readonly secret: string;
}

export interface SetActive extends ByHandle {
  readonly type: "SetActive";
  readonly active: boolean;
}

export interface Update extends ByHandle {
  readonly type: "Update";
}

export interface Get extends ByHandle {
  readonly type: "Get";
}

export interface Rotate extends ByHandle {
  readonly type: "Rotate";
  /** Milliseconds. */
  readonly grace: number;
  readonly onFirstUse: boolean;
  readonly successor?: string | undefined;
}

export interface Delete extends ByHandle {
  readonly type: "Delete";
}

export interface DeleteAll {
  readonly type: "DeleteAll";
  readonly outcome: string;
  /** Empty: all subjects. */
  readonly subject: string;
  /** Empty: all. */
  readonly kinds: readonly string[];
  readonly exceptIds: readonly string[];
}

interface ByHandle {
  readonly outcome: string;
  readonly token: string;
  /** By which secret the token was named, if not by its id. */
  readonly secret?: string | undefined;
}

export interface NewToken {
  readonly id: string;
  readonly secret: string;
  readonly subject: string;
  readonly kind: string;
  /** Undefined: any number. */
  readonly uses?: number | undefined;
  readonly inactive?: boolean | undefined;
  /** On the clock of the operations. Undefined: not before the history ends. */
  readonly expires?: number | undefined;
  /** Whether it dies when a spent secret of it is presented. */
  readonly diesOfReuse?: boolean | undefined;
}

/** An operation as a sentence names it. */
export function tell(operation: Operation): string {
  const { type, client, began, ended } = operation;
  const what = "secret" in operation && operation.secret !== undefined ? ` by ${operation.secret}` : "";
  const span = ended === Number.POSITIVE_INFINITY ? `${time(began)}, no answer` : `${time(began)} to ${time(ended)}`;
  return `${type}${what} (${client}, ${span})`;
}

function time(milliseconds: number): string {
  return `${Number(milliseconds.toFixed(2))} ms`;
}
