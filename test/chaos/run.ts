/** One chaos run, from beginning to end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { check } from '../checker/check.ts';
import type { History, Sighting, Violation } from '../checker/history.ts';
import { CHAOS_OPTIONS } from '../checker/options.ts';
import { Clients } from './clients.ts';
import { Cluster } from './cluster.ts';
import { brokenBounds, gapsOf, uncleanStops, type Gap } from './failover.ts';
import { Faults, type Struck } from './faults.ts';
import { MIGRATION, planOf, type Plan, type PlannedFault } from './plan.ts';
import { Quiet } from './quiet.ts';
import { historyOf, sight, TimeOfDay } from './recorder.ts';
import type { Releases } from './releases.ts';
import type { Incarnation } from './seats.ts';
import { Users } from './users.ts';

const LOOK_EVERY_MS = 1_000;
/** What is quiet must stay so. */
const STAY_QUIET_MS = 3_000;
/** Until commands find their way to timers that have just begun. */
const BEGIN_IN_MS = 1_000;

export type ChaosOptions = {
  seed: number;
  durationMs: number;
  brokers: number;
  /** Data and clocks of the servers and processes. */
  folder: string;
  fakeTime: string | null;
  /** Of a cluster that begins as the former release and is migrated under way; null: all are of this one. */
  releases: Releases | null;
  encoding: 'json' | 'avro';
  /** Instead of those of the seed. */
  faults?: readonly PlannedFault[];
  log: (line: string) => void;
};
export type ChaosResult = {
  plan: Plan;
  history: History;
  violations: Violation[];
  struck: readonly Struck[];
  gaps: readonly Gap[];
  /** Bounds on time that were not kept, in words. */
  late: readonly string[];
  /** Clean stops that were none, in words. */
  unclean: readonly string[];
  incarnations: readonly Incarnation[];
};

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, durationMs, log } = options;
  const cluster = await Cluster.start(options);
  try {
    const time = new TimeOfDay();
    const { deployment, sink, codec } = cluster;
    const users = await Users.open(cluster, seed);
    const quiet = await Quiet.open(deployment, users.listeners);
    const epochMs = Date.now() + BEGIN_IN_MS;
    const planned = planOf(seed, durationMs, epochMs);
    const own = options.faults ?? planned.faults;
    const plan = { ...planned, faults: options.releases === null ? own : [MIGRATION, ...own] };
    const clients = new Clients(cluster, users, plan);
    const faults = new Faults(cluster, (line) => log(`${String(Date.now() - epochMs).padStart(7)} ms: ${line}`));
    const sightings = new Sightings(cluster);
    const isPossible = ({ kind }: PlannedFault): boolean => kind !== 'clock' || options.fakeTime !== null;
    const sends = plan.actions.map((action) => at(epochMs + action.at, () => clients.send(action)));
    const records = plan.records.map((record) => at(epochMs + record.at, () => clients.write(record)));
    const strikes = plan.faults.filter(isPossible).map((fault) => at(epochMs + fault.at, () => faults.strike(fault)));
    await Promise.all([...strikes, ...sends, ...records, at(epochMs + durationMs, async () => undefined)]);
    await Promise.all(cluster.seats.map((seat) => seat.start()));
    const healedAt = Date.now();
    log('all is healed');
    const { quietAt, left } = await untilQuiet(quiet, healedAt + CHAOS_OPTIONS.quietWithinMs);
    await sightings.stop();
    time.end();
    await users.close();
    const { incarnations } = cluster;
    const surprises = cluster.seats.flatMap((seat) => seat.surprises);
    const history = await historyOf({
      ...{ deployment, sink, codec, incarnations, time, healedAt, quietAt },
      ...{ sent: clients.sent, written: clients.written },
      befell: faults.befell,
      sightings: sightings.all,
      users: users.seen,
      left: [...left, ...surprises],
    });
    await clients.close();
    const gaps = gapsOf(history, faults.struck, plan.beats);
    const { struck } = faults;
    const violations = check(history, CHAOS_OPTIONS);
    return {
      plan,
      history,
      violations,
      struck,
      gaps,
      late: brokenBounds(gaps),
      unclean: uncleanStops(struck),
      incarnations,
    };
  } finally {
    await cluster.stop();
  }
}

async function at(timeMs: number, act: () => Promise<void>): Promise<void> {
  await sleep(Math.max(0, timeMs - Date.now()));
  await act();
}

async function untilQuiet(quiet: Quiet, endAt: number): Promise<{ quietAt: number | null; left: string[] }> {
  for (;;) {
    const left = await quiet.leftToDo();
    if (left.length === 0) {
      const quietAt = Date.now();
      await sleep(STAY_QUIET_MS);
      if ((await quiet.leftToDo()).length === 0) return { quietAt, left };
    }
    if (Date.now() > endAt) return { quietAt: null, left };
    await sleep(LOOK_EVERY_MS);
  }
}

/** Terminal rows as they are seen while the system runs. */
class Sightings {
  readonly all: Sighting[] = [];
  private readonly stopping = new AbortController();
  private readonly loop: Promise<void>;

  constructor({ deployment }: Cluster) {
    this.loop = this.look(deployment);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async look(deployment: Cluster['deployment']): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await sleep(LOOK_EVERY_MS * 2, undefined, { signal }).catch(() => undefined);
      this.all.push(...(await sight(deployment).catch(() => []))); // while the database is away nothing is seen
    }
  }
}
