import { expect } from "vitest";
import { refusalOf, type World } from "./world.ts";

/** Of a JWT that a service has made for a caller: its parts, and the public key that verifies it. */
export interface Genuine {
  readonly jwt: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** `header.payload`, and the signature over it. */
  readonly unsigned: string;
  readonly signature: string;
  readonly jwk: PublicKey;
}

/** A key of a JWKS. */
export interface PublicKey {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y?: string;
  readonly kid: string;
  readonly alg: string;
}

export async function publishedKeys(world: World): Promise<PublicKey[]> {
  const response = await fetch(`${world.service.url}/.well-known/jwks.json`);
  return ((await response.json()) as { keys: PublicKey[] }).keys;
}

/** A JWT that is good for calls, with what is known of it outside. */
export async function issueJwt(world: World, wish: object = {}): Promise<Genuine> {
  const { secret: jwt } = await world.issue({ kind: "access", subject: "ada", scopes: ["latchkey:self"], ...wish });
  const [head, payload, signature] = jwt.split(".") as [string, string, string];
  const header = decode(head);
  const jwk = (await publishedKeys(world)).find(({ kid }) => kid === header.kid) as PublicKey;
  return { jwt, header, claims: decode(payload), unsigned: `${head}.${payload}`, signature, jwk };
}

export function encode(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}

/** A text that is no secret must be refused in every place that takes one, by the same words as any unknown token. */
export async function expectWorthless(world: World, text: string, reason: string): Promise<void> {
  expect(await world.judge(text)).toBe(reason);
  expect(await world.judge(text, { peek: true })).toBe(reason);
  const { responses } = await world.connect().batchIntrospect({ requests: [{ secret: text }, { secret: text }] });
  expect(responses.map(({ active }) => active)).toEqual([false, false]);
  const token = { case: "secret", value: text } as const;
  for (const call of [
    () => world.connect().get({ token }),
    () => world.connect().rotate({ token }),
    () => world.connect().delete({ token }),
    () => world.connect().exchange({ secret: text }),
  ]) {
    expect(await refusalOf(call())).toBe("NotFound TOKEN_NOT_FOUND");
  }
  if (isHeaderValue(text)) await expectNobody(world, text);
}

/** What the HTTP client would trim or not send is no credential. */
function isHeaderValue(text: string): boolean {
  return /^[!-~]{1,8000}$/.test(text);
}

async function expectNobody(world: World, text: string): Promise<void> {
  expect(await refusalOf(world.connect(text).list({}))).toBe("Unauthenticated CREDENTIALS_INVALID");
}
