import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { CallOptions } from "@connectrpc/connect";
import type { Token } from "#gen/latchkey/v1/token_pb.ts";
import {
  type CreateRequestSchema,
  type CreateResponse,
  InactiveReasonSchema,
  type IntrospectResponse,
} from "#gen/latchkey/v1/token_service_pb.ts";
import type { Player } from "../support/players.ts";
import type { Act, NewToken } from "./history.ts";
import { type HeldToken, Pool } from "./pool.ts";
import type { Random } from "./random.ts";
import { insist, type Recorder, type Result } from "./recorder.ts";

type Names = readonly [string, ...string[]];
type Wish = Omit<MessageInitShape<typeof CreateRequestSchema>, "$typeName">;

/** Few, so that clients meet at them. */
const SUBJECTS: Names = ["ada", "bob", "eve"];
/** Milliseconds. */
const GRACES = [0, 0, 0, 20, 100, 60_000] as const;
/** How likely each kind of call is. */
const WEIGHTS = {
  create: 13,
  introspect: 28,
  introspectMany: 5,
  callWith: 6,
  callAgain: 8,
  exchange: 14,
  rotate: 13,
  setActive: 11,
  update: 4,
  get: 4,
  remove: 5,
  removeAll: 0.7,
};

/** Kinds that play, how often each of them is made, and what a spent secret does to it. */
export interface PlayedKind {
  readonly name: string;
  readonly weight: number;
  readonly diesOfReuse: boolean;
}

export interface GameOptions {
  readonly kinds: readonly PlayedKind[];
  readonly subjects?: Names | undefined;
  /** Whether tokens are also deleted many at a time. One such call that was not answered excuses that they are all gone. */
  readonly removesAll?: boolean | undefined;
  /** How often a call with a request id is made again that was not answered: as good as always, unless told. */
  readonly repeats?: number | undefined;
}

/** The calls that clients make at random, each noted with what came of it. */
export class Game {
  readonly pool: Pool;
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #kinds: readonly PlayedKind[];
  readonly #subjects: Names;
  readonly #weights: typeof WEIGHTS;
  readonly #repeats: number | undefined;
  /** From the clock of expiries to that of the recorder. */
  readonly #shift = performance.now() - Date.now();

  constructor(recorder: Recorder, random: Random, options: GameOptions) {
    const { kinds, subjects = SUBJECTS, removesAll = true, repeats } = options;
    this.#recorder = recorder;
    this.#random = random;
    this.#kinds = kinds;
    this.#subjects = subjects;
    this.#weights = removesAll ? WEIGHTS : { ...WEIGHTS, removeAll: 0 };
    this.#repeats = repeats;
    this.pool = new Pool(random);
  }

  /** Makes one call, of whatever kind. */
  async play(player: Player): Promise<void> {
    const caller = this.pool.pickCaller();
    const token = caller && this.#random.chance(0.15) ? caller.token : this.pool.pick();
    const move = this.#random.weighted(this.#weights);
    if (move === "removeAll") return this.#removeAll(player);
    if (move === "create" || !token) return this.#create(player);
    if (move === "introspectMany") return this.#introspectMany(player);
    if (move === "introspect") return this.#introspect(player, token, this.pool.pickSecret(token));
    if (move === "callWith") return this.#callWith(player, token, this.pool.pickSecret(token));
    if (move === "callAgain") {
      const { token: known, secret } = caller ?? { token, secret: this.pool.pickSecret(token) };
      return this.#callWith(player, known, secret, 0.9);
    }
    if (move === "exchange") return this.#exchange(player, token, this.pool.pickSecret(token));
    if (move === "setActive") return this.#setActive(player, this.#name(token));
    if (move === "update") return this.#update(player, this.#name(token));
    if (move === "get") return this.#get(player, this.#name(token));
    if (move === "rotate") return this.#rotate(player, this.#name(token));
    return this.#remove(player, this.#name(token));
  }

  /** Looks at all secrets that there ever were, until it is answered. */
  async lookAtAll(player: Player): Promise<void> {
    const secrets = this.pool.all.flatMap((token) => token.secrets.map((secret) => ({ token, secret, peek: true })));
    for (let start = 0; start < secrets.length; start += 100) {
      await this.#ask(player, secrets.slice(start, start + 100), insist);
    }
  }

  async #create(player: Player): Promise<void> {
    const wish = this.#wish();
    const describe = ({ outcome, answer }: Result<CreateResponse>): Act[] => {
      const made = answer?.token && this.#adopt(answer.token, answer.secret);
      return [{ type: "Create", outcome, made: made && { ...made, inactive: wish.inactive } }];
    };
    await this.#recorder.note(
      player,
      () => this.#once((id, options) => player.root.create({ ...wish, ...id }, options)),
      describe,
    );
  }

  #wish(): Wish {
    const subject = this.#random.pick(this.#subjects);
    const kind = this.#random.weighted(Object.fromEntries(this.#kinds.map(({ name, weight }) => [name, weight])));
    const wish: Wish = {
      subject,
      kind,
      scopes: ["latchkey:introspect", "latchkey:self"],
      inactive: this.#random.chance(0.05),
    };
    if (kind === "personal" && this.#random.chance(0.7)) wish.maxUses = 1 + this.#random.below(3);
    if (this.#random.chance(0.05)) {
      // On a fast machine newer tokens push it out of the pool within a tenth of a second, and it must be met past its end.
      wish.lifetime = { case: "ttl", value: durationFromMs(10 + this.#random.below(200)) };
    }
    return wish;
  }

  /** Takes a new token into the pool. Answers how the history tells of it. */
  #adopt(token: Token, secret: string): NewToken {
    const { id, subject, kind, usesLeft, expireTime } = token;
    this.pool.add(id, subject, secret);
    return {
      id,
      subject,
      kind,
      secret: this.#recorder.nameSecret(id, secret),
      uses: usesLeft,
      expires: expireTime && timestampMs(expireTime) + this.#shift,
      diesOfReuse: this.#kinds.some(({ name, diesOfReuse }) => name === kind && diesOfReuse),
    };
  }

  /** Remembers the new secret of a token. Answers its name. */
  #renew(token: HeldToken, secret: string | undefined): string | undefined {
    if (!secret) return undefined;
    token.secrets.push(secret);
    return this.#recorder.nameSecret(token.id, secret);
  }

  async #introspect(player: Player, token: HeldToken, secret: string): Promise<void> {
    const peek = this.#random.chance(0.35);
    const describe = ({ outcome, answer }: Result<IntrospectResponse>): Act[] => [
      this.#verdict({ token, secret, peek }, outcome, answer),
    ];
    await this.#recorder.note(player, () => player.root.introspect({ secret, peek }, this.#hurry()), describe);
  }

  async #introspectMany(player: Player): Promise<void> {
    const questions = Array.from({ length: 2 + this.#random.below(8) }, () => {
      const token = this.pool.pick() as HeldToken;
      return { token, secret: this.pool.pickSecret(token), peek: this.#random.chance(0.6) };
    });
    await this.#ask(player, questions);
  }

  async #ask(player: Player, questions: readonly Question[], repeat: typeof insist = (call) => call(0)): Promise<void> {
    const requests = questions.map(({ secret, peek }) => ({ secret, peek }));
    const describe = ({ outcome, answer }: Result<{ responses: IntrospectResponse[] }>): Act[] =>
      questions.map((question, index) => this.#verdict(question, outcome, answer?.responses[index]));
    await this.#recorder.note(player, () => repeat(() => player.root.batchIntrospect({ requests })), describe);
  }

  #verdict({ token, secret, peek }: Question, outcome: string, answer: IntrospectResponse | undefined): Act {
    return {
      type: peek ? "Peek" : "Introspect",
      token: token.id,
      secret: this.#recorder.nameSecret(token.id, secret),
      outcome: !answer || answer.active ? outcome : (InactiveReasonSchema.value[answer.reason]?.localName ?? ""),
    };
  }

  async #callWith(player: Player, token: HeldToken, secret: string, introspecting = 0.5): Promise<void> {
    const type = this.#random.chance(introspecting) ? "Ask" : "Call";
    const name = this.#recorder.nameSecret(token.id, secret);
    await this.#recorder.note(
      player,
      () => (type === "Ask" ? player.introspectWith(secret) : player.callWith(secret)),
      ({ outcome }) => {
        if (outcome === "done") this.pool.noteCaller({ token, secret });
        return [{ type, token: token.id, secret: name, outcome }];
      },
    );
  }

  async #exchange(player: Player, token: HeldToken, secret: string): Promise<void> {
    const name = this.#recorder.nameSecret(token.id, secret);
    await this.#recorder.note(
      player,
      () => this.#once((id, options) => player.root.exchange({ secret, ...id }, options)),
      ({ outcome, answer }) => {
        // That a kind is not exchanged says nothing of the token.
        if (outcome === "EXCHANGE_NOT_ALLOWED") return [];
        const made = answer?.token && this.#adopt(answer.token, answer.secret);
        const successor = this.#renew(token, answer?.parentSecret);
        return [{ type: "Exchange", token: token.id, secret: name, outcome, made, successor }];
      },
    );
  }

  async #setActive(player: Player, { id, by }: Named): Promise<void> {
    const active = this.#random.chance(0.6);
    await this.#recorder.note(
      player,
      () => player.root.setActive({ token: by.handle, active }, this.#hurry()),
      ({ outcome }) => [{ type: "SetActive", token: id, secret: by.name, active, outcome }],
    );
  }

  async #update(player: Player, { id }: Named): Promise<void> {
    await this.#recorder.note(
      player,
      () =>
        player.root.update(
          { token: { case: "id", value: id }, label: "renamed", updateMask: { paths: ["label"] } },
          this.#hurry(),
        ),
      ({ outcome }) => [{ type: "Update", token: id, outcome }],
    );
  }

  async #get(player: Player, { id, by }: Named): Promise<void> {
    await this.#recorder.note(
      player,
      () => player.root.get({ token: by.handle }, this.#hurry()),
      ({ outcome }) => [{ type: "Get", token: id, secret: by.name, outcome }],
    );
  }

  async #rotate(player: Player, { id, by, token }: Named): Promise<void> {
    const grace = this.#random.pick(GRACES);
    const activateOnFirstUse = this.#random.chance(0.4);
    const wish = { token: by.handle, grace: durationFromMs(grace), activateOnFirstUse };
    await this.#recorder.note(
      player,
      () => this.#once((id, options) => player.root.rotate({ ...wish, ...id }, options)),
      ({ outcome, answer }) => {
        const successor = this.#renew(token, answer?.secret);
        return [
          { type: "Rotate", token: id, secret: by.name, grace, onFirstUse: activateOnFirstUse, successor, outcome },
        ];
      },
    );
  }

  async #remove(player: Player, { id, by }: Named): Promise<void> {
    await this.#recorder.note(
      player,
      () => player.root.delete({ token: by.handle }, this.#hurry()),
      ({ outcome }) => [{ type: "Delete", token: id, secret: by.name, outcome }],
    );
  }

  /** Names a token by its id, or now and then by a secret. */
  #name(token: HeldToken): Named {
    const { id } = token;
    if (this.#random.chance(0.8)) return { id, token, by: { handle: { case: "id", value: id }, name: undefined } };
    const secret = this.pool.pickSecret(token);
    return {
      id,
      token,
      by: { handle: { case: "secret", value: secret }, name: this.#recorder.nameSecret(id, secret) },
    };
  }

  async #removeAll(player: Player): Promise<void> {
    const subject = this.#random.chance(0.2) ? "" : this.#random.pick(this.#subjects);
    const kinds = this.#random.chance(0.5)
      ? []
      : this.#kinds.filter(() => this.#random.chance(0.4)).map(({ name }) => name);
    const exceptIds = this.pool.recent.filter(() => this.#random.chance(0.2)).map(({ id }) => id);
    await this.#recorder.note(
      player,
      () => player.root.deleteAll({ subject, allSubjects: subject === "", kinds, exceptIds }, this.#hurry()),
      ({ outcome }) => [{ type: "DeleteAll", subject, kinds, exceptIds, outcome }],
    );
  }

  /** Makes a call, half the time with a request id, and then again until it is answered. */
  async #once<T>(call: (id: { requestId?: string }, options: CallOptions) => Promise<T>): Promise<T> {
    if (this.#random.chance(0.5)) return call({}, this.#hurry());
    const id = { requestId: randomUUID() };
    return insist((attempt) => call(id, attempt === 0 ? this.#hurry() : {}), this.#repeats);
  }

  /** Now and then a deadline that may pass before the answer. */
  #hurry(): CallOptions {
    return this.#random.chance(0.02) ? { timeoutMs: 1 + this.#random.below(6) } : {};
  }
}

/** A token, and how a request names it. */
interface Named {
  readonly id: string;
  readonly token: HeldToken;
  readonly by: {
    readonly handle: { readonly case: "id" | "secret"; readonly value: string };
    readonly name: string | undefined;
  };
}

interface Question {
  readonly token: HeldToken;
  readonly secret: string;
  readonly peek: boolean;
}
