/** Collects times and tells how they spread. */
export interface Times {
  add(microseconds: number): void;
  spread(): { readonly p50: number; readonly p99: number; readonly max: number };
}

export function collectTimes(): Times {
  let times = new Float64Array(1 << 16);
  let count = 0;
  return {
    add(microseconds) {
      if (count === times.length) {
        const larger = new Float64Array(2 * count);
        larger.set(times);
        times = larger;
      }
      times[count++] = microseconds;
    },
    spread() {
      const sorted = times.slice(0, count).sort();
      const at = (share: number) => Math.round(sorted[Math.min(count - 1, Math.floor(share * count))] ?? 0);
      return { p50: at(0.5), p99: at(0.99), max: at(1) };
    },
  };
}
