/** How answers look: tables and lines for people, JSON for programs. Times are UTC. */
import Table from 'cli-table3';
import { formatInstant } from '../core/spec/instant.ts';

const BARE = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'])
    .map((place) => [place, '']),
);
const STYLE = { head: [], border: [], 'padding-left': 0, 'padding-right': 2 };

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** Columns with a head, without rules. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = new Table({ head: [...head], chars: BARE, style: STYLE });
  lines.push(...rows.map((row) => row.map(oneLine)));
  return withoutTrailingSpace(lines.toString());
}

/** Names and values, one a line; what is null is left out. */
export function facts(pairs: readonly (readonly [name: string, value: string | null])[]): string {
  const lines = new Table({ chars: BARE, style: STYLE });
  for (const [name, value] of pairs) if (value !== null) lines.push([name, oneLine(value)]);
  return withoutTrailingSpace(lines.toString());
}

export function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** `2026-12-01T09:00:00.000Z`, or a dash. */
export function iso(ms: number | null): string {
  return ms === null ? '-' : formatInstant(ms);
}

/** `in 3 m`, `12 s ago`, `now`. */
export function relative(ms: number, now: number): string {
  const far = Math.abs(ms - now);
  const unit = UNITS.find(([, unitMs]) => far >= unitMs);
  if (unit === undefined) return 'now';
  const text = `${Math.floor(far / unit[1])} ${unit[0]}`;
  return ms > now ? `in ${text}` : `${text} ago`;
}

/** Time and distance: `2026-12-01T09:00:00.000Z (in 3 m)`, or a dash. */
export function when(ms: number | null, now: number): string {
  return ms === null ? '-' : `${iso(ms)} (${relative(ms, now)})`;
}

/** `12 ms`, `3.4 s`, `2 m`. */
export function elapsed(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} m`;
}

/** Tenants are named only where there is more than the default one. */
export function jobName(tenant: string, jobId: string): string {
  return tenant === 'default' ? jobId : `${tenant}/${jobId}`;
}

/** What came from outside may hold line feeds, or codes that move a terminal's cursor. */
export function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

function withoutTrailingSpace(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
