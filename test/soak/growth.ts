/** A figure at a moment. */
export interface Reading {
  /** Milliseconds. */
  readonly time: number;
  readonly value: number;
}

/** How a figure went on over a run. */
export interface Growth {
  /** The median of the second quarter of the run, when all that grows at first has grown … */
  readonly early: number;
  /** … and that of the last. */
  readonly late: number;
  /** What the straight line through the last two thirds of the readings (least squares) gains over them. */
  readonly trend: number;
}

/** @param readings by time; eight at least, so that each quarter has two. */
export function growthOf(readings: readonly Reading[]): Growth {
  const count = readings.length;
  if (count < 8) throw new Error(`${count} readings tell nothing of a growth`);
  const quarter = (number: number) =>
    readings.slice(Math.floor((number * count) / 4), Math.floor(((number + 1) * count) / 4));
  const settled = readings.slice(Math.floor(count / 3));
  return {
    early: medianOf(quarter(1)),
    late: medianOf(quarter(3)),
    trend: slopeOf(settled) * ((settled.at(-1)?.time ?? 0) - (settled[0]?.time ?? 0)),
  };
}

/** The larger of the two measures. A figure that swings moves either by itself; one that grows moves both. */
export function gainOf({ early, late, trend }: Growth): number {
  return Math.max(late - early, trend);
}

function medianOf(readings: readonly Reading[]): number {
  const values = readings.map(({ value }) => value).toSorted((a, b) => a - b);
  const middle = values.length / 2;
  return ((values[Math.floor(middle)] ?? 0) + (values[Math.ceil(middle) - 1] ?? 0)) / 2;
}

function slopeOf(readings: readonly Reading[]): number {
  const mean = (of: (reading: Reading) => number) =>
    readings.reduce((sum, next) => sum + of(next), 0) / readings.length;
  const [time, value] = [mean((reading) => reading.time), mean((reading) => reading.value)];
  const spread = mean((reading) => (reading.time - time) ** 2);
  return spread === 0 ? 0 : mean((reading) => (reading.time - time) * (reading.value - value)) / spread;
}
