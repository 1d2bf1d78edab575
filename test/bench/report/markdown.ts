/** The tables for people. */
import type { Column, Workload } from '../workloads/workload.ts';
import { judge } from './goals.ts';
import { medians, type Line } from './medians.ts';
import type { Measured } from './store.ts';

/** @param all in the order of the report, each with its workload */
export function markdown(all: readonly { workload: Workload; measured: Measured }[]): string {
  const sections = all.map(({ workload, measured }) => section(workload, measured));
  return [
    '# Belfry and its peers, measured in the same run',
    'Written by `npm run bench`; [README.md](../README.md) says how and why so. In brackets: Belfry’s figure divided by this one.',
    goals(all.map(({ measured }) => measured)),
    ...sections,
    '',
  ].join('\n\n');
}

function goals(all: readonly Measured[]): string {
  const rows = judge(all).map(({ says, unit, belfry, bound, peer, met }) => {
    const against = `${number(bound)}${peer === undefined ? '' : ` (${peer})`}`;
    return [says, `${number(belfry)} ${unit}`, against, number(belfry / bound), met ? 'met' : '**missed**'];
  });
  return `## Goals\n\n${table(['Belfry …', 'Belfry', 'bound', 'ratio', ''], rows)}`;
}

function section({ name, title, columns }: Workload, measured: Measured): string {
  const lines = medians(measured);
  const cases = [...new Set(lines.map((line) => line.case))];
  const rows = cases.flatMap((each) =>
    rowsOf(
      lines.filter((line) => line.case === each),
      columns,
    ),
  );
  const shown = columns.filter(({ key }) => lines.some(({ figures }) => key in figures));
  const head = shown.map(({ title: text, unit }) => (unit === '' ? text : `${text} (${unit})`));
  const body = table(
    ['', 'system', ...head],
    rows.map(({ first, cells }) => [...first, ...shown.map(({ key }) => cells.get(key) ?? '')]),
  );
  const failures = measured.failures.map(
    ({ system, variant, reason }) => `- Not measured: ${system} (${variant}): ${reason.split('\n')[0]}`,
  );
  return [`## ${name}`, title, body, ...(failures.length > 0 ? [failures.join('\n')] : []), small(measured)].join(
    '\n\n',
  );
}

function small({ date, commit, machine, versions, repeat, quick, settings }: Measured): string {
  const how = `${quick ? '**Quick loads, smaller than said above.** ' : ''}${repeat === 1 ? 'One run' : `Medians of ${repeat} runs`}`;
  const version = Object.entries(versions).map((pair) => pair.join(' '));
  const used = Object.entries(settings).map(([who, text]) => `${who}: ${text}`);
  return `<sub>${how}, ${date.slice(0, 10)}, commit ${commit}, on ${machine}; ${version.join(', ')}.<br>${used.join('<br>')}</sub>`;
}

/** Of one case: Belfry's line has plain figures, the others have the ratio to it beside each that can be better or worse. */
function rowsOf(
  lines: readonly Line[],
  columns: readonly Column[],
): { first: [string, string]; cells: Map<string, string> }[] {
  const ours = lines.find(({ system }) => system === 'belfry');
  return lines.map((line, index) => ({
    first: [index === 0 ? line.case : '', line === ours ? '**belfry**' : `${line.system} (${line.variant})`],
    cells: new Map(
      columns.flatMap((column) => {
        const value = line.figures[column.key];
        return value === undefined
          ? []
          : [[column.key, cell(value, line === ours ? undefined : ours?.figures[column.key], column)]];
      }),
    ),
  }));
}

function cell(value: number, ours: number | undefined, { better }: Column): string {
  if (ours === undefined || better === undefined || value === 0) return number(value);
  return `${number(value)} (${number(ours / value)})`;
}

/** Three digits that count; whole numbers from a thousand on. */
function number(value: number): string {
  if (Number.isNaN(value)) return '–';
  const rounded = Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(3));
  return rounded.toLocaleString('en', { maximumFractionDigits: 4 });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index < 2 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}
