/** What the database tells of a deployment's health. Pure: from the state to findings. */
import type { SystemState } from '../../core/ports/inspect.ts';
import { OWNERS_TO_SET_ASIDE } from '../../core/ports/stalls.ts';
import { relative } from '../output.ts';
import { ok, problem, warning, type Finding } from './finding.ts';
import { releaseFinding, schemaFinding } from './release-checks.ts';

const LARGEST_OFFSET_MS = 500;
/** Timers fire in milliseconds; a fail-over takes 10 s. */
const OVERDUE_MS = 15_000;
const DEEP_OUTBOX = 100;

/** @param offsetMs the database's clock − this machine's */
export function clockFinding(offsetMs: number): Finding {
  const text = `this machine is ${Math.abs(offsetMs)} ms ${offsetMs > 0 ? 'behind' : 'ahead of'} the database`;
  if (Math.abs(offsetMs) <= LARGEST_OFFSET_MS) return ok('clock', text);
  return warning('clock', text, 'the database is followed; let NTP set both clocks');
}

export function databaseFindings(state: SystemState, shippedVersion: number, now: number): Finding[] {
  return [
    schemaFinding(state, shippedVersion),
    releaseFinding(state),
    timerFinding(state),
    overdueFinding(state, now),
    outboxFinding(state),
    ...executorFindings(state),
    ...stallFindings(state, now),
  ];
}

function timerFinding({ owners }: SystemState): Finding {
  const never = owners.filter(({ instance }) => instance === '').map(({ partition }) => partition);
  const instances = new Set(owners.map(({ instance }) => instance).filter((instance) => instance !== ''));
  if (never.length === owners.length) return problem('timers', 'no timer service ever ran', 'start belfry timer');
  if (never.length > 0)
    return problem(
      'timers',
      `partitions ${never.join(', ')} never had an owner`,
      'look at the log of the timer services',
    );
  return ok('timers', `${owners.length} partitions, owned last by ${[...instances].join(', ')}`);
}

function overdueFinding({ overdue }: SystemState, now: number): Finding {
  const { count, oldestAt } = overdue;
  if (oldestAt === null || now - oldestAt < OVERDUE_MS)
    return ok('due timers', count === 0 ? 'none waits' : `${count} about to fire`);
  const text = `${count} overdue, the oldest since ${relative(oldestAt, now).replace(' ago', '')}`;
  return problem('due timers', text, 'is a timer service running (belfry timer), and is its /readyz 200?');
}

function outboxFinding({ owners }: SystemState): Finding {
  const depth = owners.reduce((sum, owner) => sum + owner.outboxDepth, 0);
  if (depth < DEEP_OUTBOX) return ok('outbox', `${depth} unproduced`);
  return warning('outbox', `${depth} unproduced`, 'Kafka may be slow or away: look at the log of the timer services');
}

function stallFindings({ stalls }: SystemState, now: number): Finding[] {
  return stalls.map(({ service, partition, input, job, count, lastAt }) => {
    const where =
      input === null
        ? 'at nothing that is known'
        : `at ${input}${partition === null ? '' : ` of partition ${partition}`}`;
    const whose = job === null || job === '' ? '' : ` (${job})`;
    const text = `${count} × ${service} ended, stuck ${where}${whose}, the last time ${relative(lastAt, now)}`;
    const isAside = service === 'timer' && partition !== null && count >= OWNERS_TO_SET_ASIDE;
    if (isAside)
      return problem('event loop', `${text}: it is set aside`, 'belfry rejected list has it; report it as a fault');
    return warning('event loop', text, 'look at the log of that time; report it as a fault');
  });
}

function executorFindings({ leases, parked }: SystemState): Finding[] {
  const alive = leases.filter((lease) => lease.alive);
  const lost = leases.length - alive.length;
  const findings: Finding[] = [];
  if (alive.length === 0) findings.push(problem('executors', 'none is alive: no run starts', 'start belfry executor'));
  else {
    const text = alive.map(
      ({ worker, queue, free, handlers }) => `${worker} (${queue}: ${free} free; ${handlers.join(', ')})`,
    );
    findings.push(ok('executors', text.join('; ')));
  }
  if (lost > 0)
    findings.push(warning('leases', `${lost} ran out and not marked dead yet`, 'an executor does that, once one runs'));
  if (parked.handedOver > 0) {
    findings.push(
      warning(
        'parked runs',
        `${parked.handedOver} wait for an executor with a slot and the handler`,
        'start executors that have it',
      ),
    );
  }
  return findings;
}
