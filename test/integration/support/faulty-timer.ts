/**
 * A real timer process that kills or freezes itself at one exact point, once, for a job whose id begins with `fault-`.
 * FAULT is one of: before-step (records read, nothing committed), after-step (decided and committed, nothing produced),
 * after-intake (commands applied, nothing said about it), after-send (produced, the outbox row not yet removed), freeze-in-step (stopped between sending the statement and its answer),
 * after-upstream (the end of an upstream's run is applied, its downstream has not heard), before-arrival, after-arrival (the
 * downstream has heard: nothing committed, nothing produced), before-notice, after-notice (a webhook is to hear of an outcome: nothing
 * committed; its delivery is decided: nothing produced).
 */
import type { Broker } from '../../../services/core/ports/broker.ts';
import type { PartitionStep, TimerStore } from '../../../services/core/ports/timer-store.ts';
import { readConfig } from '../../../services/runtime/config.ts';
import { runUntilStopped } from '../../../services/runtime/life-cycle.ts';
import { makeLog } from '../../../services/runtime/logger.ts';
import { startTimerService } from '../../../services/timer/main.ts';

const fault = process.env.FAULT ?? '';
const die = (): never => {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
};

/** Whether a step fires the fault's job (a one-shot), or takes its command in. */
function concerns(steps: readonly PartitionStep[], what: 'firing' | 'intake'): boolean {
  return steps.some((step) =>
    (what === 'firing' ? step.finished : step.jobs).some(({ jobId }) => jobId.startsWith('fault-')),
  );
}

function tellsDownstream({ outbox }: PartitionStep): boolean {
  return outbox.some(({ body }) => body.includes('"type":"upstream"'));
}

function notifies({ outbox }: PartitionStep): boolean {
  return outbox.some(({ body }) => body.includes('"type":"notify"'));
}

function isWebhook({ jobId }: { jobId: string }): boolean {
  return jobId.startsWith('belfry.webhook.');
}

function faultyStore(store: TimerStore): TimerStore {
  const step: TimerStore['step'] = async (steps) => {
    if (fault === 'before-step' && concerns(steps, 'intake')) die();
    if (fault === 'before-notice' && steps.some(notifies)) die();
    if (fault === 'before-arrival' && steps.some(({ arrivals }) => arrivals.length > 0)) die();
    const answer = store.step(steps);
    if (fault === 'freeze-in-step' && concerns(steps, 'firing')) {
      setImmediate(() => process.kill(process.pid, 'SIGSTOP'));
    }
    const accepted = await answer;
    if (fault === 'after-step' && concerns(steps, 'firing')) die();
    if (fault === 'after-intake' && concerns(steps, 'intake')) die();
    if (fault === 'after-arrival' && steps.some(({ arrivals }) => arrivals.length > 0)) die();
    if (fault === 'after-notice' && steps.some(({ jobs }) => jobs.some(isWebhook))) die();
    if (fault === 'after-upstream' && steps.some(tellsDownstream)) die();
    return accepted;
  };
  return new Proxy(store, { get: (target, name) => (name === 'step' ? step : bound(target, name)) });
}

function faultyBroker(broker: Broker): Broker {
  const producer: Broker['producer'] = async () => {
    const real = await broker.producer();
    return {
      send: async (records) => {
        await real.send(records);
        if (
          fault === 'after-send' &&
          records.some(({ topic, key }) => topic.includes('job.due') && key?.toString().includes('/fault-'))
        )
          die();
      },
      close: () => real.close(),
    };
  };
  return new Proxy(broker, { get: (target, name) => (name === 'producer' ? producer : bound(target, name)) });
}

function bound<T extends object>(target: T, name: string | symbol): unknown {
  const member = Reflect.get(target, name) as unknown;
  return typeof member === 'function' ? (member.bind(target) as unknown) : member;
}

const config = readConfig(process.env);
const log = makeLog(config.logLevel, 'timer');
process.exitCode = await runUntilStopped(log, (fail) =>
  startTimerService(config, log, fail, {
    decorate: ({ store, broker }) => ({ store: faultyStore(store), broker: faultyBroker(broker) }),
  }),
);
process.exit();
