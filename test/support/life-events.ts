/** Events and backfills, by chance: what clients ask for beside the lives of single jobs. */
import { jobOf, LAST_COMMAND_AT, type Action, type Surroundings } from './life.ts';
import type { Random } from './random.ts';

/** Events that a job may listen to, and where the number is that its filter asks for. */
export type Heard = { names: readonly string[]; number: string };

/**
 * Jobs that listen, some of which are changed meanwhile, events for them, and recurring jobs of which passed occurrences are
 * asked for.
 */
export function eventLivesOf(random: Random, surroundings: Surroundings): Action[] {
  if (random.chance(0.3)) return [];
  const events = { names: ['tick', 'tock'].map((name) => `${surroundings.prefix}${name}`), number: 'event.n' };
  // The last one is another tenant's, who hears nothing of these events.
  const listeners = ['listener-a', 'listener-b', 'listener-c', 'listener-2'].slice(0, random.int(1, 4));
  return [
    ...listeners.flatMap((jobId) => listenerOf(random, `${surroundings.prefix}${jobId}`, events, surroundings)),
    ...emitsOf(random, events.names, surroundings.prefix),
    ...(random.chance(0.5) ? backfilledOf(random, surroundings) : []),
  ];
}

function action(random: Random, at: number, jobId: string, type: Action['type'], fields: Action['fields']): Action {
  return { at, jobId, type, fields, copies: random.chance(0.2) ? 2 : 1, isCareless: false };
}

/** The commands of a job that listens to one of these events. */
export function listenerOf(random: Random, jobId: string, heard: Heard, surroundings: Surroundings): Action[] {
  let at = random.int(300, 6_000);
  const listening = (): Action =>
    action(random, at, jobId, 'schedule', { job: listeningJob(random, heard, surroundings) });
  const life = [listening()];
  while (life.length < 4 && random.chance(0.25)) {
    at += random.int(500, 9_000);
    if (at > LAST_COMMAND_AT) break;
    const type = random.weighted({ schedule: 3, cancel: 2, pause: 2, resume: 2 });
    life.push(type === 'schedule' ? listening() : action(random, at, jobId, type, {}));
  }
  return life;
}

function listeningJob(random: Random, heard: Heard, { epochMs, listensUntil }: Surroundings): Record<string, unknown> {
  const { schedule: _schedule, ...job } = jobOf(random, epochMs);
  const schedule = {
    on: random.pick(heard.names),
    endAt: new Date(epochMs + listensUntil).toISOString(),
    ...(random.chance(0.4) ? { filter: `${heard.number} > ${random.int(2, 6)}` } : {}),
    ...(random.chance(0.3) ? { wait: `${random.int(1, 6)}s` } : {}),
    ...(random.chance(0.1) ? { maxRuns: random.int(1, 3) } : {}),
  };
  return { ...job, schedule };
}

/** Some are sent again under another command id: they are the same event. */
function emitsOf(random: Random, events: readonly string[], prefix: string): Action[] {
  return Array.from({ length: random.int(2, 7) }, (_, index) => index).flatMap((index) => {
    const event = random.pick(events);
    const fields = { event, eventId: `${prefix}e-${index + 1}`, payload: { n: random.int(0, 9) } };
    const times = [
      random.int(3_000, LAST_COMMAND_AT),
      ...(random.chance(0.2) ? [random.int(3_000, LAST_COMMAND_AT)] : []),
    ];
    return times.map((at) => action(random, at, event, 'emit', fields));
  });
}

/** The schedule began before the job was made: there is something to backfill. */
function backfilledOf(random: Random, { epochMs, prefix }: Surroundings): Action[] {
  const jobId = `${prefix}passed`;
  const time = (ms: number): string => new Date(epochMs + ms).toISOString();
  const everyMs = 1_000 * random.int(2, 4);
  const schedule = { every: `${everyMs / 1_000}s`, startAt: time(-3_600_000), endAt: time(random.int(6_000, 20_000)) };
  const job = { type: 'CUSTOM', handler: 'quick', schedule, overlap: random.pick(['skip', 'buffer_all', 'allow']) };
  const made = action(random, random.int(300, 3_000), jobId, 'schedule', { job });
  const asks = Array.from({ length: random.int(1, 3) }, () => {
    const from = -everyMs * random.int(0, 4);
    const overlap = random.chance(0.3) && job.overlap === 'allow' ? { overlap: 'allow' } : {};
    const fields = { from: time(from), to: time(from + everyMs * random.int(1, 6)), ...overlap };
    return action(random, random.int(4_000, LAST_COMMAND_AT), jobId, 'backfill', fields);
  });
  return [made, ...asks];
}
