import type { Comparison } from "./results.ts";

const WIDTH = 760;
const LABELS = 270;
const BARS = WIDTH - LABELS - 70;
const ROW = 30;
const TOP = 46;
const TITLE = "Introspections per core, as a share of what bare http2 does";

/** Bars of the calls for each second on a core, with a line from the worst round to the best. */
export function comparisonChart({ candidates }: Comparison): string {
  const most = Math.max(...candidates.map(({ callsPerCoreSecond }) => callsPerCoreSecond.high));
  const limit = candidates[0]?.callsPerCoreSecond.median ?? 1;
  const scale = (rate: number) => Math.round((rate / most) * BARS);
  const rows = candidates.map(({ letter, name, callsPerCoreSecond: { median, low, high } }, index) => {
    const y = TOP + index * ROW;
    const middle = y + 10;
    return [
      `<text x="${LABELS - 8}" y="${y + 14}" text-anchor="end">(${letter}) ${escapeText(name)}</text>`,
      `<rect x="${LABELS}" y="${y}" width="${scale(median)}" height="20" fill="${letter === "b" ? "#1a7f5a" : "#9aa5b1"}"/>`,
      `<path d="M${LABELS + scale(low)} ${middle}H${LABELS + scale(high)}" stroke="#1f2933" stroke-width="2"/>`,
      `<text x="${LABELS + scale(Math.max(median, high)) + 6}" y="${y + 14}">${(median / limit).toFixed(2)}</text>`,
    ].join("\n");
  });
  const height = TOP + candidates.length * ROW + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<title>${TITLE}</title>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="16" y="24" font-size="15">${TITLE}</text>
${rows.join("\n")}
</svg>
`;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
