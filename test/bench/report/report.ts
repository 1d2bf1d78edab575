/** Makes the report of all that a folder has figures of. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Workload } from '../workloads/workload.ts';
import { markdown } from './markdown.ts';
import { medians } from './medians.ts';
import { bars } from './plot.ts';
import { load, type Measured } from './store.ts';

type Plot = { workload: string; figure: string; title: string; unit: string; scale: 'linear' | 'log' };

const PLOTS: readonly Plot[] = [
  { workload: 'drain', figure: 'jobsPerS', title: 'Jobs due at one instant', unit: 'jobs/s', scale: 'linear' },
  { workload: 'lateness', figure: 'p99', title: 'Start minus due, 99 of 100 jobs', unit: 'ms', scale: 'log' },
];

/** Writes report.md and the plots beside the figures. @returns the report's text */
export async function writeReport(folder: string, workloads: readonly Workload[]): Promise<string> {
  const all: { workload: Workload; measured: Measured }[] = [];
  for (const workload of workloads) {
    const measured = await load(folder, workload.name);
    if (measured !== undefined) all.push({ workload, measured });
  }
  for (const plot of PLOTS) {
    const measured = all.find(({ workload }) => workload.name === plot.workload)?.measured;
    if (measured !== undefined) await writeFile(join(folder, `${plot.workload}.svg`), draw(plot, measured));
  }
  const text = markdown(all);
  await writeFile(join(folder, 'report.md'), text);
  return text;
}

function draw({ figure, title, unit, scale }: Plot, measured: Measured): string {
  const lines = medians(measured);
  const groups = [...new Set(lines.map((line) => line.case))].map((each) => ({
    title: each,
    bars: lines
      .filter((line) => line.case === each)
      .map(({ system, variant, figures }) => ({
        label: `${system} (${variant})`,
        value: figures[figure] ?? 0,
        ours: system === 'belfry',
      })),
  }));
  return bars(title, unit, scale, groups);
}
