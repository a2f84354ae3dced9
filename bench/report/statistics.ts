/** The middle one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The quotients of two candidates' numbers, round by round: what disturbs a round disturbs both. */
export function ratios(numbers: readonly number[], others: readonly number[]): number[] {
  return numbers.map((number, round) => number / (others[round] ?? Number.NaN));
}

/** Rounded to two places. */
export function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
