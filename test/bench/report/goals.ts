/** What Belfry wants to reach. A goal that was missed is marked, not hidden. */
import { medians, type Line } from './medians.ts';
import type { Measured } from './store.ts';

type Goal = {
  workload: string;
  /** Begins the name of the lines that it looks at. */
  case: string;
  figure: string;
  says: string;
  unit: string;
  better: 'more' | 'less';
  /** A number, or so many times what a peer reached with its best settings. */
  bound: number | { peer: string; times: number };
};

const drained = (peer: string, times: number): Goal => ({
  workload: 'drain',
  case: 'second',
  figure: 'jobsPerS',
  says: `drains ${times} times as fast as ${peer}`,
  unit: 'jobs/s',
  better: 'more',
  bound: { peer, times },
});

const less = (workload: string, caseName: string, figure: string, bound: number, unit: string, says: string): Goal => ({
  workload,
  case: caseName,
  figure,
  says,
  unit,
  better: 'less',
  bound,
});

const GOALS: readonly Goal[] = [
  drained('graphile-worker', 1.25),
  drained('bullmq', 2.5),
  drained('db-scheduler', 6),
  less('cost', 'run at one instant', 'cpu', 0.06, 's/1,000', 'runs a job for 60 µs of CPU, servers included'),
  less('lateness', '', 'early', 0, 'jobs', 'starts no job early'),
  less('scale', '100,000', 'p50', 5, 'ms', '1,000/s, 100,000 asleep: lateness p50'),
  less('scale', '100,000', 'p99', 15, 'ms', '1,000/s, 100,000 asleep: lateness p99'),
  less('lateness', '3,000/s', 'p99', 30, 'ms', '3,000/s: lateness p99'),
  {
    workload: 'accept',
    case: '',
    figure: 'jobsPerS',
    says: 'accepts commands',
    unit: 'jobs/s',
    better: 'more',
    bound: 15_000,
  },
  less('accept', '', 'p99', 50, 'ms', 'from publish to applied at 1,000/s: p99'),
  less('scale', '1,000,000', 'memory', 200, 'MiB', 'a timer with 1,000,000 jobs asleep'),
  less('scale', '1,000,000', 'takeOver', 1_000, 'ms', 'hands all partitions over, 1,000,000 jobs asleep'),
  less('long', '', 'p99', 20, 'ms', '1,000 handlers that wait: event loop late, p99'),
  less('idle', '', 'own', 3, '% of a core', 'timer and executor while 100,000 jobs sleep'),
  less('failover', '', 'worstTimer', 10_000, 'ms', 'finishes what a killed timer delays'),
  less('failover', '', 'worstExecutor', 12_000, 'ms', 'finishes what a killed executor delays'),
  less('failover', '', 'amiss', 0, 'jobs', 'completes each job once, one timer and one executor killed'),
  less('burst', '', 'urgentMax', 1_000, 'ms', 'starts urgent jobs during a burst'),
  {
    workload: 'old-snapshot',
    case: '',
    figure: 'ratio',
    says: 'drains under an old snapshot as fast as without',
    unit: '',
    better: 'more',
    bound: 0.5,
  },
];

export type Judged = { says: string; unit: string; belfry: number; bound: number; peer?: string; met: boolean };

/** Every goal of which both sides were measured. */
export function judge(all: readonly Measured[]): Judged[] {
  return GOALS.flatMap((goal) => {
    const measured = all.find(({ workload }) => workload === goal.workload);
    if (measured === undefined) return [];
    const lines = medians(measured).filter((line) => line.case.startsWith(goal.case) && goal.figure in line.figures);
    const ours = worst(
      goal,
      lines.filter(({ system, variant }) => system === 'belfry' && variant === 'best'),
    );
    if (ours === undefined) return [];
    const { bound, says, unit } = goal;
    if (typeof bound === 'number') return [{ says, unit, belfry: ours, bound, met: isMet(goal, ours, bound) }];
    const theirs = lines.find(({ system, variant }) => system === bound.peer && variant === 'best');
    if (theirs === undefined) return [];
    const wanted = bound.times * value(goal, theirs);
    return [{ says, unit, belfry: ours, bound: wanted, peer: bound.peer, met: isMet(goal, ours, wanted) }];
  });
}

function worst(goal: Goal, lines: readonly Line[]): number | undefined {
  return lines
    .map((line) => value(goal, line))
    .toSorted((a, b) => rank(goal, a, b))
    .at(-1);
}

/** Better ones first. */
function rank({ better }: Goal, a: number, b: number): number {
  return better === 'more' ? b - a : a - b;
}

function isMet(goal: Goal, ours: number, bound: number): boolean {
  return rank(goal, ours, bound) <= 0;
}

function value({ figure }: Goal, { figures }: Line): number {
  return figures[figure] ?? NaN;
}
