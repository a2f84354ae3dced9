/** What happens to tokens that somebody should look at. Holds no secret. */
export interface TokenEvent {
  /** A secret was presented that had been replaced: two have it, and one of them should not. */
  readonly type: "spent-secret-presented";
  readonly tokenId: string;
  readonly tenant: string;
  readonly subject: string;
  readonly kind: string;
  /** How many tokens were deleted for it; 0 where the kind only has it reported. */
  readonly deletedCount: number;
}
