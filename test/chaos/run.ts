/** One chaos run, from beginning to end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { check, checkFormer } from '../checker/check.ts';
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
import { keepOpen } from '../support/opened.ts';

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
  /** What a process of the former release did, which does not promise what this one does. */
  former: Violation[];
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
  await using opened = new AsyncDisposableStack();
  const cluster = await keepOpen(opened, Cluster.start(options), (made) => made.stop());
  const time = new TimeOfDay();
  const { deployment, sink } = cluster;
  const users = await keepOpen(opened, Users.open(cluster, seed), (made) => made.close());
  const quiet = await Quiet.open(deployment, users.listeners);
  const epochMs = Date.now() + BEGIN_IN_MS;
  const plan = planFor(options, epochMs);
  const clients = new Clients(cluster, users, plan);
  opened.defer(() => clients.close());
  const faults = new Faults(cluster, (line) => log(`${String(Date.now() - epochMs).padStart(7)} ms: ${line}`));
  const sightings = new Sightings(cluster);
  opened.defer(() => sightings.stop());
  const ending = new AbortController();
  opened.defer(() => ending.abort());
  const at = async (atMs: number, act: () => Promise<void>): Promise<void> => {
    await sleep(Math.max(0, epochMs + atMs - Date.now()), undefined, { signal: ending.signal });
    await act();
  };
  await Promise.all([
    ...plan.faults.map((fault) => at(fault.at, () => faults.strike(fault))),
    ...plan.actions.map((action) => at(action.at, () => clients.send(action))),
    ...plan.records.map((record) => at(record.at, () => clients.write(record))),
    at(durationMs, async () => undefined),
  ]);
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
    ...{ deployment, sink, codec: cluster.codec, incarnations, time, healedAt, quietAt },
    ...{ sent: clients.sent, written: clients.written },
    befell: faults.befell,
    sightings: sightings.all,
    users: users.seen,
    left: [...left, ...surprises],
  });
  const { struck } = faults;
  const gaps = gapsOf(history, struck, plan.beats);
  return {
    ...{ plan, history, struck, gaps, incarnations },
    violations: check(history, CHAOS_OPTIONS),
    former: checkFormer(history, CHAOS_OPTIONS),
    late: brokenBounds(gaps),
    unclean: uncleanStops(struck),
  };
}

/** That of the seed, with the faults that the options name instead of its own, without those that this machine has no means for. */
function planFor({ seed, durationMs, faults, releases, fakeTime }: ChaosOptions, epochMs: number): Plan {
  const planned = planOf(seed, durationMs, epochMs);
  const own = (faults ?? planned.faults).filter(({ kind }) => kind !== 'clock' || fakeTime !== null);
  return { ...planned, faults: releases === null ? own : [MIGRATION, ...own] };
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
