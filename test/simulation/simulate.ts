/** One seed, from beginning to end. */
import { check } from '../checker/check.ts';
import type { History, Violation } from '../checker/history.ts';
import { SIMULATION_OPTIONS } from '../checker/options.ts';
import { leftToDo } from './backlog.ts';
import { Faults } from './faults.ts';
import type { Mutation } from './mutation.ts';
import { POISON, POISON_RUN } from '../support/poison.ts';
import { CALM_AT, planOf, START_AT, type Plan } from './plan.ts';
import { World } from './world.ts';

export type Result = {
  plan: Plan;
  violations: Violation[];
  history: History;
  /** Lines for people; empty unless it was traced. */
  trace: readonly string[];
  /** How often the services logged what. */
  seen: ReadonlyMap<string, number>;
  /** Things that happened, and ms of virtual time. */
  happened: number;
  virtualMs: number;
};
export type SimulateOptions = { mutation?: Mutation; isTraced?: boolean };

const LOOK_EVERY_MS = 500;
/** What is quiet must stay so. */
const STAY_QUIET_MS = 2_000;

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Result> {
  return simulatePlan(planOf(seed), options);
}

export async function simulatePlan(plan: Plan, options: SimulateOptions = {}): Promise<Result> {
  const world = new World(plan, options);
  const { sim, clients } = world;
  const faults = new Faults(world);
  clients.start().catch((error: Error) => world.recorder.fatal('client', error));
  for (const change of plan.quotas) {
    if (change.at === 0) await world.limit(change);
    else sim.after(change.at, () => void world.limit(change));
  }
  for (const webhook of plan.webhooks) sim.after(webhook.from, () => void world.hook(webhook));
  plan.seats.forEach((_, seat) => world.start(seat));
  for (const action of plan.actions) sim.after(action.at, () => clients.send(action));
  for (const record of plan.records) sim.after(record.at, () => clients.produce(record));
  for (const record of plan.poison) sim.after(record.at, () => clients.poison(record));
  for (const fault of plan.faults) sim.after(fault.at, () => faults.strike(fault));
  const onUnhandled = (thrown: unknown): void => world.recorder.fatal('a process', thrown as Error);
  process.on('unhandledRejection', onUnhandled);
  await sim.run(START_AT + CALM_AT);
  faults.heal();
  world.recorder.trace('fault', 'all is healed');
  const healedAt = sim.now();
  const quietAt = await untilQuiet(world, healedAt + SIMULATION_OPTIONS.quietWithinMs);
  process.off('unhandledRejection', onUnhandled);
  const history = historyOf(world, healedAt, quietAt);
  const violations = check(history);
  return {
    plan,
    violations,
    history,
    trace: world.recorder.lines,
    seen: world.recorder.seen,
    happened: sim.happened,
    virtualMs: sim.now() - START_AT,
  };
}

/** When nothing was left to do; null: something was left to the end. */
async function untilQuiet(world: World, endAt: number): Promise<number | null> {
  const { sim } = world;
  while (sim.now() < endAt) {
    await sim.run(sim.now() + LOOK_EVERY_MS);
    if (!isQuiet(world)) continue;
    const quietAt = sim.now();
    await sim.run(quietAt + STAY_QUIET_MS);
    if (isQuiet(world)) return quietAt;
  }
  return null;
}

function isQuiet(world: World): boolean {
  for (const _ of leftToDo(world)) return false;
  return true;
}

/** Of the tenant that nobody asks about. @param job its key, or a row */
function isPoison(job: string | { tenant: string } | undefined): boolean {
  return (typeof job === 'string' ? job : `${job?.tenant}/`).startsWith(`${POISON}/`);
}

function historyOf(world: World, healedAt: number, quietAt: number | null): History {
  const { recorder, clients, db } = world;
  const { calls, sightings, writes, messages, faults } = recorder;
  const events = recorder.events.filter(({ job }) => !isPoison(job));
  const dead = recorder.dead.filter(({ runId }) => runId !== POISON_RUN && !isPoison(db.runs.get(runId)));
  return {
    ...{ calls, events, sightings, writes, messages, dead, faults, healedAt, quietAt },
    commands: [...clients.commands(), ...clients.emits(), ...recorder.commands],
    acks: clients.acks,
    rejected: clients.rejected(),
    // Poison was never a newer release's.
    dropped: recorder.drops.filter(({ runId }) => runId !== POISON_RUN),
    ...(world.plan.enqueued && {
      enqueued: {
        committed: [...world.transactions.committed],
        rolledBack: [...world.transactions.rolledBack],
        scheduled: recorder.scheduledIn,
      },
    }),
    webhooks: world.plan.webhooks.map(({ from, until, ...webhook }) => ({
      ...webhook,
      from: START_AT + from,
      until: until === null ? null : START_AT + until,
    })),
    ...(world.plan.promptMs !== null && { promptMs: world.plan.promptMs }),
    quotas: world.plan.quotas.map((change) => ({ ...change, at: START_AT + change.at })),
    jobs: [...db.jobs].filter(([job]) => !isPoison(job)).map(([job, { version, state }]) => ({ job, version, state })),
    runs: recorder.rows().filter(({ job }) => !isPoison(job)),
    left: [...leftToDo(world)],
  };
}
