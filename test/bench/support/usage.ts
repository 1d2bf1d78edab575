/** What processes use, from /proc. A process stands for itself and all its descendants, ended ones included. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Process } from '../systems/system.ts';

/** Of /proc/PID/stat; 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100;

type Stat = { parent: number; ticks: number };

/** CPU seconds of each until now, by name; those of one name are added up. */
export function cpuSeconds(processes: readonly Process[]): Map<string, number> {
  const stats = new Map<number, Stat>();
  for (const entry of readdirSync('/proc')) {
    const stat = /^\d+$/.test(entry) ? readStat(Number(entry)) : undefined;
    if (stat !== undefined) stats.set(Number(entry), stat);
  }
  const seconds = new Map<string, number>();
  for (const { name, pid } of processes) {
    seconds.set(name, (seconds.get(name) ?? 0) + ticksOf(pid, stats) / TICKS_PER_S);
  }
  return seconds;
}

/** CPU seconds between two looks, by name. */
export function spent(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]));
}

/** @param field VmRSS (now) or VmHWM (the most so far) @returns MiB */
export function memoryMb(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024);
}

function ticksOf(root: number, stats: ReadonlyMap<number, Stat>): number {
  let ticks = stats.get(root)?.ticks ?? 0;
  for (const [pid, { parent }] of stats) if (parent === root) ticks += ticksOf(pid, stats);
  return ticks;
}

/** undefined where the process is gone meanwhile. */
function readStat(pid: number): Stat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name in brackets, may hold spaces: count from behind it, where field 3 is the first.
    const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const at = (number: number): number => Number(field[number - 3]);
    return { parent: at(4), ticks: at(14) + at(15) + at(16) + at(17) };
  } catch {
    return undefined;
  }
}
