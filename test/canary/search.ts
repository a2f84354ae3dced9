/** Something that must show up nowhere, and what to call it in a report. */
export interface Secret {
  readonly name: string;
  readonly text: string;
}

/** A place where a secret must not be. */
export interface Place {
  readonly name: string;
  readonly content: string | Uint8Array;
}

/** The secret of a token, and what of it is not public: all behind the prefix and the id. */
export function partsOf(name: string, secret: string): Secret[] {
  return [
    { name, text: secret },
    { name: `the secret part of ${name}`, text: secret.slice(-38, -6) },
  ];
}

/** Every secret in every place, as `<secret> in <place>`, also in hexadecimal, base64 and percent encoding. */
export function findSecrets(secrets: readonly Secret[], places: readonly Place[]): string[] {
  return places.flatMap(({ name: place, content }) => {
    const bytes = Buffer.from(content);
    return secrets
      .filter(({ text }) => spellingsOf(text).some((spelling) => bytes.includes(spelling)))
      .map(({ name }) => `${name} in ${place}`);
  });
}

function spellingsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((shift) => {
    // What stands before it moves its letters; those at the ends depend on the neighbours.
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    return shifted.replace(/=+$/, "").slice(shift === 0 ? 0 : 4, -4);
  });
  return [text, encodeURIComponent(text), bytes.toString("hex"), ...base64, ...base64.map(toUrlSafe)];
}

function toUrlSafe(base64: string): string {
  return base64.replaceAll("+", "-").replaceAll("/", "_");
}
