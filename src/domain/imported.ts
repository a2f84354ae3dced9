/** One way in which another system made secrets, so that those of its tokens that were imported go on to work. */
export interface ImportedSource {
  /** Unique in the keys file; records refer to it. */
  readonly name: string;
  /** How long its digests are, whose hex digits its secrets are known by. Undefined: its secrets are JWTs, known by their `jti`. */
  readonly digestBytes: number | undefined;
  /**
   * What a secret of this source is known by, which is what imported records are found and checked by. Undefined: the text is
   * none of this source. "SIGNATURE": a JWT of this source whose signature is wrong.
   */
  recognize(text: string): Promise<{ readonly material: string } | "SIGNATURE" | undefined>;
}
