/** What a seed means: what clients ask for, what goes wrong, when and on whom. All of it is decided before anything happens. */
import type { Action } from '../support/life.ts';
import { enqueuedOf } from '../support/enqueued.ts';
import { Random } from '../support/random.ts';
import type { SourceRecord } from '../support/life-sources.ts';
import { beatOf, PARTITIONS, recordsOf, steady, waves } from './load.ts';

/** Before the first fault, so that everybody has their share. */
const WARM_UP_MS = 10_000;
const MIGRATE_AT_MS = 4_000;
const COMPANION_CHANCE = 0.35;
const ENQUEUED_SHARE = 0.3;
const HTTP_SHARE = 0.35;

export type Seat = {
  name: string;
  kind: 'timer' | 'executor' | 'api';
  /** It has no handler `rare`. */ isLimited: boolean;
};
const seat = (kind: Seat['kind'], number: number, isLimited = false): Seat => ({
  name: `${kind}-${number}`,
  kind,
  isLimited,
});
export const SEATS: readonly Seat[] = [
  ...[1, 2, 3].map((number) => seat('timer', number)),
  ...[1, 2, 3].map((number) => seat('executor', number, number === 3)),
  ...[1, 2].map((number) => seat('api', number)),
];

/**
 * What goes wrong, for how long (ms, from and to), what doing it takes besides, and what it takes to recover (ms), before which
 * nothing else begins.
 * - `kill-*`: SIGKILL; another process takes the seat after the time
 * - `freeze-*`: SIGSTOP, then SIGCONT
 * - `roll-*`: one after the other is stopped by SIGTERM and replaced; the time is a pause between them
 * - `kafka-*`: a broker is killed, or stopped cleanly, and started after the time
 * - `database-*`: all its sessions are ended, or it is killed, or stopped cleanly, and started after the time
 * - `cut-*`, `slow-*`: the way from one process to that server
 * - `migrate`: the current release's migration, in clusters that begin as the former one
 * - `clock`: the clock of one process is set forward or back by 2 to 90 s, and right again after the time
 */
const KINDS = {
  'kill-timer': { seats: 'timer', forMs: [9_000, 13_000], takesMs: 200, recoverMs: 6_000 },
  'kill-executor': { seats: 'executor', forMs: [9_000, 13_000], takesMs: 200, recoverMs: 6_000 },
  'freeze-timer': { seats: 'timer', forMs: [15_000, 15_000], takesMs: 200, recoverMs: 5_000 },
  'freeze-executor': { seats: 'executor', forMs: [15_000, 15_000], takesMs: 200, recoverMs: 5_000 },
  'kill-api': { seats: 'api', forMs: [500, 5_000], takesMs: 200, recoverMs: 4_000 },
  'freeze-api': { seats: 'api', forMs: [3_000, 25_000], takesMs: 200, recoverMs: 4_000 },
  'roll-timers': { seats: null, forMs: [3_000, 3_000], takesMs: 14_000, recoverMs: 5_000 },
  'roll-executors': { seats: null, forMs: [3_000, 3_000], takesMs: 20_000, recoverMs: 5_000 },
  'roll-apis': { seats: null, forMs: [1_000, 1_000], takesMs: 14_000, recoverMs: 3_000 },
  'kafka-killed': { seats: null, forMs: [0, 6_000], takesMs: 5_000, recoverMs: 14_000 },
  'kafka-stopped': { seats: null, forMs: [0, 6_000], takesMs: 5_000, recoverMs: 14_000 },
  'database-sessions': { seats: null, forMs: [0, 0], takesMs: 200, recoverMs: 6_000 },
  'database-killed': { seats: null, forMs: [0, 9_000], takesMs: 1_500, recoverMs: 9_000 },
  'database-stopped': { seats: null, forMs: [0, 9_000], takesMs: 1_500, recoverMs: 9_000 },
  'cut-kafka': { seats: 'any', forMs: [2_000, 12_000], takesMs: 200, recoverMs: 8_000 },
  'cut-database': { seats: 'any', forMs: [2_000, 12_000], takesMs: 200, recoverMs: 8_000 },
  'cut-both': { seats: 'any', forMs: [2_000, 12_000], takesMs: 200, recoverMs: 8_000 },
  'cut-database-timer': { seats: 'timer', forMs: [2_000, 12_000], takesMs: 200, recoverMs: 8_000 },
  'slow-kafka': { seats: 'any', forMs: [6_000, 10_000], takesMs: 200, recoverMs: 3_000 },
  'slow-database': { seats: 'any', forMs: [6_000, 10_000], takesMs: 200, recoverMs: 3_000 },
  // Set right again is set back: whoever counts by the time of day waits for the time to come again.
  clock: { seats: 'any', forMs: [6_000, 12_000], takesMs: 200, recoverMs: 10_000 },
  migrate: { seats: null, forMs: [0, 0], takesMs: 3_000, recoverMs: 1_000 },
} as const;
export type FaultKind = keyof typeof KINDS;
/** Those that befall any cluster. */
export const FAULT_KINDS = (Object.keys(KINDS) as FaultKind[]).filter((kind) => kind !== 'migrate');

/** @returns ms from the end of such a fault until all is as before */
export const recoverMsOf = (kind: FaultKind): number => KINDS[kind].recoverMs;

export type PlannedFault = {
  /** Ms after the start. */
  at: number;
  kind: FaultKind;
  /** Index of the seat; null: it befalls all. */
  seat: number | null;
  forMs: number;
  /** How far the clock is set: ms. How slow the way is: ms. 0 otherwise. */
  byMs: number;
  /** Connections do not survive the cut. */
  isReset: boolean;
};

export type Plan = {
  seed: number;
  durationMs: number;
  actions: readonly Action[];
  faults: readonly PlannedFault[];
  /** What a plain producer writes to a topic whose records are events. */
  records: readonly SourceRecord[];
  /** Jobs whose commands are enqueued in the database. */
  enqueued: readonly string[];
  /** Jobs whose commands are requests to the HTTP API. */
  http: readonly string[];
  /** A job in each partition that occurs every second: what shows whether a partition is served. */
  beats: readonly string[];
};

/** @param epochMs when it starts: the only part of a plan that is not the seed's */
export function planOf(seed: number, durationMs: number, epochMs: number): Plan {
  const beats = Array.from({ length: PARTITIONS }, (_, partition) => beatOf(partition));
  const lives = waves(seed, durationMs, epochMs);
  const enqueued = enqueuedOf(new Random(`enqueued ${seed}`), lives, ENQUEUED_SHARE);
  return {
    ...{ seed, durationMs, beats },
    actions: [...steady(beats, durationMs, epochMs), ...lives].sort((a, b) => a.at - b.at),
    records: recordsOf(new Random(`records ${seed}`), durationMs),
    enqueued,
    http: httpOf(new Random(`http ${seed}`), lives, enqueued),
    faults: faultsOf(new Random(`faults ${seed}`), durationMs),
  };
}

function httpOf(random: Random, lives: readonly Action[], enqueued: readonly string[]): string[] {
  const jobIds = new Set(lives.map(({ jobId }) => jobId)).difference(new Set(enqueued));
  return ['work-2', 'limited-6', ...[...jobIds].filter(() => random.chance(HTTP_SHARE))];
}

/** When all processes are of the former release, and before anything befalls them. */
export const MIGRATION: PlannedFault = {
  ...{ at: MIGRATE_AT_MS, kind: 'migrate', seat: null },
  ...{ forMs: 0, byMs: 0, isReset: false },
};

/** All kinds in turn, in an order of chance, most of them alone. */
function faultsOf(random: Random, durationMs: number): PlannedFault[] {
  const faults: PlannedFault[] = [];
  let deck: FaultKind[] = [];
  const draw = (): FaultKind => {
    if (deck.length === 0) deck = shuffled(random);
    return deck.pop()!;
  };
  for (let at = WARM_UP_MS; ;) {
    const group = [faultOf(random, draw(), at)];
    if (random.chance(COMPANION_CHANCE)) group.push(faultOf(random, draw(), at + random.int(500, 6_000)));
    const overAt = Math.max(
      ...group.map((fault) => fault.at + fault.forMs + KINDS[fault.kind].takesMs + recoverMsOf(fault.kind)),
    );
    if (overAt > durationMs) return faults;
    faults.push(...group);
    at = overAt + random.int(500, 2_000);
  }
}

function faultOf(random: Random, kind: FaultKind, at: number): PlannedFault {
  const { seats, forMs } = KINDS[kind];
  const candidates = SEATS.flatMap((each, index) => (seats === 'any' || each.kind === seats ? [index] : []));
  const byMs =
    kind === 'clock'
      ? random.int(2_000, 90_000) * (random.chance(0.5) ? 1 : -1)
      : kind.startsWith('slow')
        ? random.int(50, 250)
        : 0;
  return {
    ...{ at, kind, byMs },
    seat: seats === null ? null : random.pick(candidates),
    forMs: random.int(forMs[0], forMs[1]),
    isReset: random.chance(0.5),
  };
}

/** In an order of chance, to be drawn from the end; those that bounds are promised for rather early, so that short runs have them. */
function shuffled(random: Random): FaultKind[] {
  const rank = (kind: FaultKind): number => random.next() * (/^(kill|freeze|roll)/.test(kind) ? 0.5 : 1);
  return FAULT_KINDS.map((kind) => ({ kind, rank: rank(kind) }))
    .sort((a, b) => b.rank - a.rank)
    .map(({ kind }) => kind);
}
