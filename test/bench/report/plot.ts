/** Bars, as an SVG that needs nothing else: one group a case, one bar a system, longest to the right. */

export type Bar = { label: string; value: number; ours: boolean };
export type Group = { title: string; bars: readonly Bar[] };

const [WIDTH, LABELS, VALUES, BAR, GAP, HEAD] = [760, 210, 80, 18, 4, 30] as const;

/** @param scale log for figures that differ by orders of magnitude */
export function bars(title: string, unit: string, scale: 'linear' | 'log', groups: readonly Group[]): string {
  const values = groups.flatMap((group) => group.bars.map(({ value }) => value));
  const widthOf = scaled(scale, Math.max(...values));
  const parts: string[] = [];
  let y = HEAD + 10;
  for (const group of groups) {
    parts.push(`<text x="10" y="${y + 14}" class="head">${escaped(group.title)}</text>`);
    y += 22;
    for (const { label, value, ours } of group.bars) {
      const width = widthOf(value);
      parts.push(
        `<text x="${LABELS - 8}" y="${y + 13}" text-anchor="end">${escaped(label)}</text>`,
        `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" class="${ours ? 'ours' : 'peer'}"/>`,
        `<text x="${(LABELS + width + 6).toFixed(1)}" y="${y + 13}">${Math.round(value).toLocaleString('en')}</text>`,
      );
      y += BAR + GAP;
    }
    y += 10;
  }
  const style =
    'text{font:12px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.head{font-weight:bold}.ours{fill:#b5541c}.peer{fill:#8fa3b0}';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}">`,
    `<style>${style}</style><rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    `<text x="10" y="20" class="title">${escaped(title)} (${escaped(unit)}${scale === 'log' ? ', logarithmic' : ''})</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** On the logarithmic scale a bar begins at 1. */
function scaled(scale: 'linear' | 'log', most: number): (value: number) => number {
  const full = WIDTH - LABELS - VALUES;
  if (scale === 'linear') return (value) => (full * value) / most;
  return (value) => (full * Math.log(Math.max(1, value) + 1)) / Math.log(Math.max(1, most) + 1);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
