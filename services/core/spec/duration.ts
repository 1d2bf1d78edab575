/** Durations as users write them: `500ms`, `30s`, `5m`, `1h30m`, `2d`. Inside Belfry they are milliseconds. */

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const PATTERN = /^(?:(\d{1,15})d)?(?:(\d{1,15})h)?(?:(\d{1,15})m)?(?:(\d{1,15})s)?(?:(\d{1,15})ms)?$/;

/** 100 years: longer ones are taken for mistakes, and all arithmetic stays exact. */
export const MAX_DURATION_MS = 36_525 * 86_400_000;

/**
 * Reads a duration: whole numbers with units in falling order, without spaces.
 * @returns milliseconds, from 0 to 100 years; undefined when the text is no such duration.
 */
export function parseDuration(text: string): number | undefined {
  const match = text === '' ? null : PATTERN.exec(text);
  if (match === null) return undefined;
  const ms = UNITS.reduce((sum, [, unitMs], index) => sum + Number(match[index + 1] ?? 0) * unitMs, 0);
  return ms <= MAX_DURATION_MS ? ms : undefined;
}

/**
 * Writes a duration in the form that `parseDuration` reads.
 * @param ms not negative; fractions of a millisecond are rounded.
 */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  let text = '';
  for (const [unit, unitMs] of UNITS) {
    const amount = Math.floor(rest / unitMs);
    rest -= amount * unitMs;
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text === '' ? '0s' : text;
}
