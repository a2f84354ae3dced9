import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verdictOf } from "../support/answers.ts";
import { useKinds } from "../support/kinds.ts";
import { connectPlayers, type Player } from "../support/players.ts";
import { onEachStore, outcomeOf, refusalOf } from "./world.ts";

/** How many want the same thing at the same moment. */
const CALLERS = 100;

onEachStore((world) => {
  let players: Player[];
  beforeAll(() => {
    players = connectPlayers([world.service.url], 10);
  });
  afterAll(() => {
    for (const player of players) player.close();
  });

  const issue = (kind: string, maxUses?: number) =>
    world.issue({ tenant: world.name("tenant"), subject: "ada", kind, ...(maxUses !== undefined && { maxUses }) });

  /** How many of the callers, who all call at once from several connections, have come to what. */
  async function race(
    call: (root: Player["root"], caller: number) => Promise<string>,
  ): Promise<Record<string, number>> {
    const root = (caller: number) => (players[caller % players.length] as Player).root;
    return count(await Promise.all(Array.from({ length: CALLERS }, (_, caller) => call(root(caller), caller))));
  }

  const introspect = async (root: Player["root"], secret: string) => verdictOf(await root.introspect({ secret }));
  const exchange = (root: Player["root"], secret: string) => outcomeOf(root.exchange({ secret }));

  describe.each(["link", "ticket"])(`of ${CALLERS} callers at once with one %s`, (kind) => {
    test("exactly one finds it active", async () => {
      const { secret } = await issue(kind);
      expect(await race((root) => introspect(root, secret))).toEqual({ ACTIVE: 1, EXHAUSTED: CALLERS - 1 });
      expect(await world.judge(secret, { peek: true })).toBe("EXHAUSTED");
    });

    test("exactly one gets a session for it", async () => {
      const { id, tenant, secret } = await issue(kind);
      const outcomes = await race((root) => exchange(root, secret));
      expect(outcomes).toEqual({ ok: 1, "FailedPrecondition TOKEN_NOT_ACTIVE": CALLERS - 1 });
      const { tokens } = await world.connect().list({ tenant, parentId: id });
      expect(tokens.map((token) => token.kind)).toEqual(["session"]);
    });

    test("exactly one wins, whether they introspect or exchange", async () => {
      const { secret } = await issue(kind);
      const outcomes = await race((root, caller) =>
        caller % 2 === 0 ? introspect(root, secret) : exchange(root, secret),
      );
      const { ACTIVE = 0, ok = 0, EXHAUSTED = 0, "FailedPrecondition TOKEN_NOT_ACTIVE": refused = 0 } = outcomes;
      expect([ACTIVE + ok, ACTIVE + EXHAUSTED, ok + refused]).toEqual([1, CALLERS / 2, CALLERS / 2]);
    });

    test("exactly one wins, also where each asks for it ten times in one call", async () => {
      const { secret } = await issue(kind);
      const requests = Array.from({ length: 10 }, () => ({ secret }));
      const answers = await Promise.all(players.map(({ root }) => root.batchIntrospect({ requests })));
      const verdicts = answers.flatMap(({ responses }) => responses.map(verdictOf));
      expect(count(verdicts)).toEqual({ ACTIVE: 1, EXHAUSTED: 99 });
    });

    test("exactly one wins, and none by a variant of its secret", async () => {
      const { secret } = await issue(kind);
      const texts = [secret, ...variantsOf(secret)];
      const outcomes = await race((root, caller) => introspect(root, texts[caller % texts.length] as string));
      expect(outcomes).toMatchObject({ ACTIVE: 1, EXHAUSTED: Math.ceil(CALLERS / texts.length) - 1 });
    });
  });

  test("of the uses of a token with three, exactly three are taken", async () => {
    const { id, secret } = await issue("personal", 3);
    expect(await race((root) => introspect(root, secret))).toEqual({ ACTIVE: 3, EXHAUSTED: CALLERS - 3 });
    const { token } = await world.connect().get({ token: { case: "id", value: id } });
    expect(token?.usesLeft).toBe(0);
  });

  test("looking takes no use, however many look", async () => {
    const { secret } = await issue("link");
    const peek = async (root: Player["root"]) => verdictOf(await root.introspect({ secret, peek: true }));
    expect(await race(peek)).toEqual({ ACTIVE: CALLERS });
    expect(await world.judge(secret)).toBe("ACTIVE");
  });

  test("what asks for too much takes no use", async () => {
    const { secret } = await issue("link");
    const ask = async (root: Player["root"]) => verdictOf(await root.introspect({ secret, scopes: ["more"] }));
    expect(await race(ask)).toEqual({ SCOPE: CALLERS });
    expect(await refusalOf(world.connect().exchange({ secret, scopes: ["more"] }))).toBe(
      "InvalidArgument SCOPE_WIDENED",
    );
    expect(await world.judge(secret)).toBe("ACTIVE");
  });

  describe.each(["link", "ticket"])("a variant of the secret of a %s", (kind) => {
    const REASONS = ["MALFORMED", "SIGNATURE", "UNKNOWN"];

    test("loses, before and after the secret itself is used up", async () => {
      const { secret } = await issue(kind);
      for (const text of variantsOf(secret)) expect.soft(REASONS, text).toContain(await world.judge(text));
      for (const text of variantsOf(secret)) {
        expect.soft(await refusalOf(world.connect().exchange({ secret: text })), text).toBe("NotFound TOKEN_NOT_FOUND");
      }
      expect(await world.judge(secret, { peek: true })).toBe("ACTIVE");
      await world.connect().exchange({ secret });

      for (const text of variantsOf(secret)) expect.soft(REASONS, text).toContain(await world.judge(text));
      for (const text of variantsOf(secret)) {
        expect.soft(await refusalOf(world.connect().exchange({ secret: text })), text).toBe("NotFound TOKEN_NOT_FOUND");
      }
      expect(await world.judge(secret)).toBe("EXHAUSTED");
      expect(await refusalOf(world.connect().exchange({ secret }))).toBe("FailedPrecondition TOKEN_NOT_ACTIVE");
    });
  });
}, useKinds());

/** Texts that some reader might take for the same secret. */
function variantsOf(secret: string): string[] {
  const spaced = [
    ` ${secret}`,
    `${secret} `,
    `${secret}\n`,
    `\t${secret}\r\n`,
    `\u00a0${secret}`,
    `\ufeff${secret}`,
    `${secret}\0`,
  ];
  const padded = [`${secret}=`, `${secret}==`, `"${secret}"`, `Bearer ${secret}`, `${secret}.`];
  const cased = [
    secret.toUpperCase(),
    secret.toLowerCase(),
    secret.replace(/[a-z](?=[^a-z]*$)/, (last) => last.toUpperCase()),
  ];
  return [
    ...spaced,
    ...padded,
    ...cased.filter((text) => text !== secret),
    encodeURIComponent(`${secret}+`),
    ...jwtVariantsOf(secret),
  ];
}

/** Other spellings of the same header, payload and signature. */
function jwtVariantsOf(secret: string): string[] {
  const [header, payload, signature, ...others] = secret.split(".");
  if (!header || !payload || !signature || others.length > 0) return [];
  const respell = (part: string) => {
    const text = JSON.stringify(JSON.parse(Buffer.from(part, "base64url").toString()), undefined, 1);
    return Buffer.from(text).toString("base64url");
  };
  return [
    [respell(header), payload, signature],
    [header, respell(payload), signature],
    [header, payload, `${signature}A`],
    // The bits of the last character that no byte is made of.
    [header, payload, signature.slice(0, -1) + nextCharacter(signature.slice(-1))],
    [header, payload, Buffer.from(signature, "base64url").toString("base64")],
    [`${header}=`, payload, signature],
    [header, `${payload}=`, signature],
    [header, payload, ""],
    [header, payload],
    [payload, header, signature],
    [header, payload, signature, signature],
  ].map((parts) => parts.join("."));
}

function nextCharacter(character: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet[alphabet.indexOf(character) ^ 1] as string;
}

function count(names: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}
