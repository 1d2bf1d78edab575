/** What a seed means: who there is, what clients ask for, what goes wrong. All of it is decided here, before anything happens. */
import { LAST_COMMAND_AT, type Action } from '../support/life.ts';
import { sourceListenersOf, sourceRecordsOf, type SourceRecord } from '../support/life-sources.ts';
import { livesOf } from '../support/lives.ts';
import { enqueuedOf } from '../support/enqueued.ts';
import { fanInOf } from '../support/fan-in.ts';
import { floodOf } from '../support/flood.ts';
import { endlessOf, poisonOf, type PoisonRecord } from '../support/poison.ts';
import { quotasOf, type QuotaChange } from '../support/quotas.ts';
import { Random } from '../support/random.ts';
import { steeredOf } from '../support/steered.ts';
import { webhooksOf, type PlannedWebhook } from '../support/webhooks.ts';

export const START_AT = Date.UTC(2026, 0, 1);
/** Times below are ms after START_AT. */
export const CALM_AT = LAST_COMMAND_AT;
/** The last command, the time that the checker allows for a fail-over, and the longest wait. */
const LISTENS_UNTIL = 50_000;
/** The share of seeds with several timers in which one is replaced in the middle of a step. */
const SUPPLANTED = 0.5;
const LONGEST_SUPPLANT_MS = 12_000;
export type Seat = { kind: 'timer' | 'executor'; slots: number; /** It has no handler `rare`. */ isLimited: boolean };

/**
 * - `kill`, `stop`: the process of the seat ends, and another one begins `forMs` later
 * - `freeze`: it stands still for `forMs`
 * - `cut-*`: no way to that server for `forMs`, `isolate`: to none; `lossy-*`: one that loses requests and answers; `slow-*`: late answers
 * - `trap`: at its next such call it is killed, frozen for `forMs`, or its answer is lost; or it is frozen until another one has
 *   taken its place (`supplant`), so that its request comes when the other one has just begun
 * - `stall-store`: half of its statements there take so long that they are given up, some of them after they took effect
 * - `jump`: its consumers fetch from a position of their own, past some records, for `forMs`
 * - `starve`: its lease is not renewed for `forMs`, while its partitions move
 * - `visit`: another member joins a group and leaves after `forMs`: two rebalances
 */
export type PlannedFault = {
  at: number;
  kind: FaultKind;
  seat: number;
  forMs: number;
  /** Of a trap. */
  trap?: {
    server: 'store' | 'broker';
    call: string | null;
    when: 'before' | 'after';
    effect: 'kill' | 'freeze' | 'cut' | 'supplant';
  };
};
export const FAULT_KINDS = [
  'kill',
  'stop',
  'freeze',
  'cut-store',
  'cut-broker',
  'lossy-store',
  'lossy-broker',
  'slow-store',
  'slow-broker',
  'trap',
  'visit',
  'jump',
  'starve',
  'isolate',
  'stall-store',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export type Plan = {
  seed: number;
  partitions: number;
  seats: readonly Seat[];
  actions: readonly Action[];
  /** What plain producers write to a topic whose records are events. */
  records: readonly SourceRecord[];
  /** Whose commands come in transactions; null: nobody's, nor do handlers schedule anything in theirs. */
  enqueued: readonly string[] | null;
  webhooks: readonly PlannedWebhook[];
  /** What tenants may do; none: nothing is read of it either. */
  quotas: readonly QuotaChange[];
  /** Whether timers take and hold so little at once that a few jobs are a flood. */
  hasFloods: boolean;
  /** Whether some records are those of a newer release, or of the former one. */
  isMixed: boolean;
  /** What nobody can apply. */
  poison: readonly PoisonRecord[];
  /** Within so long others have their answers; null: nothing is poisoned. */
  promptMs: number | null;
  faults: readonly PlannedFault[];
};

/** Of seeds, what not every one has: what it has, it has enough of, and none takes long. */
const SHARES = {
  ...{ quotas: 0.25, enqueued: 0.25, fanIn: 0.15, webhooks: 0.15, floods: 0.25 },
  ...{ mixed: 0.25, steered: 0.3 },
  ...{ poison: 0.3, endless: 0.06, stalls: 0.15 },
};
const ENQUEUED_SHARE = 0.5;

export function planOf(seed: number): Plan {
  const random = new Random(`plan ${seed}`);
  const seats = seatsOf(random);
  const partitions = random.int(2, 4);
  const profile = new Random(`profile ${seed}`);
  const hasQuotas = profile.chance(SHARES.quotas);
  const hasEnqueued = profile.chance(SHARES.enqueued);
  const hasFanIn = profile.chance(SHARES.fanIn);
  const hasWebhooks = profile.chance(SHARES.webhooks);
  const hasFloods = profile.chance(SHARES.floods);
  const isSteered = profile.chance(SHARES.steered);
  const poisoned = poisonedOf(seed, partitions);
  // Events may wait as long as a command whose statement never ends.
  const listensUntil = LISTENS_UNTIL + (poisoned.promptMs ?? 0);
  const actions = actionsOf(seed, random, { hasFanIn, hasFloods, isSteered, listensUntil });
  return {
    seed,
    partitions,
    seats,
    actions,
    records: sourceRecordsOf(new Random(`records ${seed}`)),
    enqueued: hasEnqueued ? enqueuedOf(new Random(`enqueued ${seed}`), actions, ENQUEUED_SHARE) : null,
    webhooks: hasWebhooks ? webhooksOf(new Random(`webhooks ${seed}`), jobIdsOf(actions)) : [],
    quotas: hasQuotas ? quotasOf(new Random(`quotas ${seed}`)) : [],
    hasFloods,
    isMixed: new Random(`mixed ${seed}`).chance(SHARES.mixed),
    ...poisoned,
    faults: [
      ...stallsOf(new Random(`stalls ${seed}`), seats),
      ...faultsOf(new Random(`faults ${seed}`), seats),
      ...supplantOf(new Random(`supplant ${seed}`), seats),
    ].sort((a, b) => a.at - b.at),
  };
}

/** A statement that never ends is tried in halves, then ten times alone, for 3 s each; its own partition waits for that. */
const PROMPT_MS = { poison: 10_000, endless: 70_000 };

function poisonedOf(seed: number, partitions: number): Pick<Plan, 'poison' | 'promptMs'> {
  const random = new Random(`poison ${seed}`);
  const records = random.chance(SHARES.poison) ? poisonOf(random, partitions) : [];
  const endless = random.chance(SHARES.endless) ? [endlessOf(random, partitions)] : [];
  const promptMs = endless.length > 0 ? PROMPT_MS.endless : records.length > 0 ? PROMPT_MS.poison : null;
  return { poison: [...records, ...endless], promptMs };
}

function seatsOf(random: Random): Seat[] {
  const seat = (kind: Seat['kind'], index: number): Seat => ({
    kind,
    slots: random.int(2, 6),
    isLimited: index > 0 && random.chance(0.3),
  });
  const timers = Array.from({ length: random.int(1, 3) }, (_, index) => seat('timer', index));
  const executors = Array.from({ length: random.int(1, 3) }, (_, index) => seat('executor', index));
  return [...timers, ...executors];
}

function actionsOf(
  seed: number,
  random: Random,
  has: { hasFanIn: boolean; hasFloods: boolean; isSteered: boolean; listensUntil: number },
): Action[] {
  const surroundings = { epochMs: START_AT, prefix: '', listensUntil: has.listensUntil };
  const lives = livesOf(random, String(seed), surroundings);
  const listeners = sourceListenersOf(new Random(`sources ${seed}`), surroundings);
  const fanIn = has.hasFanIn ? fanInOf(new Random(`fan-in ${seed}`), jobIdsOf(lives), surroundings) : [];
  const flood = has.hasFloods ? floodOf(new Random(`flood ${seed}`), surroundings) : [];
  const steered = has.isSteered ? steeredOf(new Random(`steered ${seed}`), surroundings) : [];
  return [...lives, ...listeners, ...fanIn, ...flood, ...steered].sort((a, b) => a.at - b.at);
}

function jobIdsOf(lives: readonly Action[]): string[] {
  const jobIds = new Set(lives.map(({ jobId }) => jobId));
  return [...jobIds].filter((jobId) => jobId.startsWith('job-'));
}

const STORE_CALLS = {
  timer: ['step', 'step', 'step', 'take', 'read', null],
  executor: [
    'claim',
    'claim',
    'admit',
    'leave',
    'reclaim',
    'settle',
    'settle',
    'cancelled',
    'park',
    'unpark',
    'takeParked',
    'renewLease',
    'settle-within',
    'commit',
    null,
  ],
} as const;
const BROKER_CALLS = ['send', 'begin', 'commit', 'commit', 'init', null] as const;

function faultsOf(random: Random, seats: readonly Seat[]): PlannedFault[] {
  const count = random.chance(0.05) ? 0 : random.int(1, 7);
  return Array.from({ length: count }, () => faultOf(random, seats));
}

/** A timer that is replaced in the middle of a step, and goes on with it then. */
function supplantOf(random: Random, seats: readonly Seat[]): PlannedFault[] {
  const timers = seats.filter(({ kind }) => kind === 'timer').length;
  if (timers < 2 || !random.chance(SUPPLANTED)) return [];
  const trap = { server: 'store', call: 'step', when: 'before', effect: 'supplant' } as const;
  const at = random.int(2_000, CALM_AT - LONGEST_SUPPLANT_MS);
  return [{ at, kind: 'trap', seat: random.int(0, timers - 1), forMs: LONGEST_SUPPLANT_MS, trap }];
}

/** A store that is overloaded: statements are ended by their time limit, before or after they took effect. */
function stallsOf(random: Random, seats: readonly Seat[]): PlannedFault[] {
  if (!random.chance(SHARES.stalls)) return [];
  const seat = random.int(0, seats.length - 1);
  return [{ at: random.int(2_000, CALM_AT - 1_000), kind: 'stall-store', seat, forMs: random.int(1_000, 9_000) }];
}

function faultOf(random: Random, seats: readonly Seat[]): PlannedFault {
  const seat = random.int(0, seats.length - 1);
  const at = random.int(2_000, CALM_AT - 1_000);
  const kind = random.weighted({
    ...{ kill: 3, stop: 2, freeze: 6, trap: 8, visit: 3 },
    ...{
      'cut-store': 2,
      'cut-broker': 1,
      'lossy-store': 2,
      'lossy-broker': 2,
      'slow-store': 1,
      'slow-broker': 1,
      jump: 2,
      starve: 2,
    },
  });
  const forMs =
    kind === 'visit' ? random.int(20, 400) : random.chance(0.5) ? random.int(500, 5_000) : random.int(5_000, 14_000);
  // Long enough to be replaced, and back soon: a zombie that finds little changed.
  if (kind === 'freeze' && random.chance(0.5)) return { at, kind, seat, forMs: random.int(6_000, 8_500) };
  if (kind === 'starve') return { at, kind, seat, forMs: random.int(4_000, 7_500) };
  if (kind !== 'trap') return { at, kind, seat, forMs };
  const server = random.chance(0.6) ? 'store' : 'broker';
  const call =
    server === 'broker' ? random.pick(BROKER_CALLS) : random.pick<string | null>(STORE_CALLS[seats[seat]!.kind]);
  const trap = {
    server,
    call,
    when: random.pick(['before', 'after'] as const),
    effect: random.pick(['kill', 'kill', 'freeze', 'cut'] as const),
  } as const;
  return { at, kind, seat, forMs, trap };
}
