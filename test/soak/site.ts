import { randomUUID } from "node:crypto";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";
import { dials, type Line } from "./dial.ts";
import type { Tally } from "./tally.ts";

/** Kinds whose tokens are gone soon after they end, so that as many come as go. */
export const SOAK_KINDS = `
kinds:
  - { name: service, prefix: sk_svc, permanent: true }
  - { name: personal, prefix: sk_pat, permanent: true, unique_labels: true, max_per_subject: 100, retention: 2s }
  - { name: session, prefix: sk_ses, default_lifetime: 10h, retention: none }
  - { name: access, format: jwt, default_lifetime: 1h, retention: none }
  - { name: link, prefix: sk_link, default_lifetime: 15m, max_uses: 1, retention: 2s, exchanges_to: [{ kind: session, consume: true }] }
  - { name: refresh, prefix: sk_ref, default_lifetime: 31d, retention: none, exchanges_to: [{ kind: access }] }
  - { name: rotating, prefix: sk_rot, default_lifetime: 31d, retention: none, exchanges_to: [{ kind: session, rotate: true }] }
`;

const RESIDENTS = 100;
const REPEATED = 20;

/** A token that stays all the time. */
export interface Resident {
  readonly id: string;
  readonly subject: string;
  readonly secret: string;
  /** The request id that it was made with. */
  readonly requestId: string;
}

/** What the clients know of the service. */
export interface Site {
  readonly url: string;
  /** How long a token of a round lives, in milliseconds: longer than any round, and short, so that those left behind go by themselves. */
  readonly life: number;
  readonly residents: readonly Resident[];
  /** Those of the residents that are asked for again and again with their request ids. */
  readonly repeated: readonly Resident[];
  /** The secret of a service that introspects. */
  readonly service: string;
  readonly tally: Tally;
}

/** Makes the tokens that stay. */
export async function settle(url: string, life: number, tally: Tally): Promise<Site> {
  const root = createServiceClient(url, ROOT_TOKEN);
  const { secret: service } = await root.create({ kind: "service", subject: "gate", scopes: ["latchkey:introspect"] });
  const residents: Resident[] = [];
  for (let count = 0; count < RESIDENTS; count++) {
    const request = residentRequest(`resident-${count}`, count < REPEATED ? randomUUID() : "");
    const { token, secret } = await root.create(request);
    residents.push({ ...request, id: token?.id ?? "", secret });
  }
  return { url, life, residents, repeated: residents.slice(0, REPEATED), service, tally };
}

export function residentRequest(subject: string, requestId: string) {
  const lifetime = { case: "permanent", value: true } as const;
  return { kind: "personal", label: "stays", subject, requestId, lifetime, scopes: ["repo:read", "latchkey:self"] };
}

/** What clients keep open while they call. */
export class Lines {
  readonly #site: Site;
  readonly #open = new Map<string, Line>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** The client for a way of calling, and a secret. */
  to(dial: string, token = ROOT_TOKEN): Line["client"] {
    const key = `${dial} ${token}`;
    const line = this.#open.get(key) ?? dialAt(this.#site, dial, token);
    this.#open.set(key, line);
    return line.client;
  }

  close(): void {
    for (const line of this.#open.values()) line.close();
    this.#open.clear();
  }
}

export function dialAt({ url }: Site, dial: string, token: string): Line {
  const open = dials[dial];
  if (!open) throw new Error(`there is no way to call like ${dial}`);
  return open(url, token);
}

export function ttl(milliseconds: number) {
  return { case: "ttl", value: durationFromMs(Math.round(milliseconds)) } as const;
}

export function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)] as T;
}

export function between(least: number, most: number): number {
  return least + Math.random() * (most - least);
}
