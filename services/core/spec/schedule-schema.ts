/** The `schedule` of a job: exactly one kind, with the bounds that the recurring kinds take. */
import { z } from 'zod';
import { CHAIN_CONDITIONS, type Bounds, type Schedule, type Upstream } from '../model.ts';
import { unreadableCron, validateCron } from '../occurrences/cron.ts';
import { isTimeZone } from '../occurrences/time-zone.ts';
import { filterProblem } from '../filter/event-filter.ts';
import { duration, instant, listOf, name, record, text, whole, word } from './fields.ts';
import { isDay } from './instant.ts';
import { EVENT, JOB_ID } from './names.ts';
import { listed } from './problems.ts';

const SCHEDULE_KINDS = ['at', 'in', 'cron', 'every', 'fixedDelay', 'after', 'on'] as const;
type Kind = (typeof SCHEDULE_KINDS)[number];

/** What bounds and thins a recurring schedule; a one-shot has none of it. */
const BOUND_FIELDS = ['startAt', 'endAt', 'exclude', 'jitter', 'maxRuns'] as const;

const NOT_YET = {
  delay: 'is not a field of a schedule; did you mean in or fixedDelay?',
};

const dstSchema = record('dst', {
  gap: word(['shift', 'skip']).default('shift'),
  repeat: word(['once', 'both']).default('once'),
});

const MAX_UPSTREAMS = 20;
const UPSTREAMS = `must be a list of 1 to ${MAX_UPSTREAMS} upstreams such as { "job": "extract", "when": "success" }`;

const upstreamSchema = record('an upstream', {
  job: name(JOB_ID),
  // Avro's null, too: what is absent in a list is not left out before.
  when: word(CHAIN_CONDITIONS)
    .nullish()
    .transform((when) => when ?? 'success'),
});

const fields = record(
  'a schedule',
  {
    at: instant.optional(),
    in: duration().optional(),
    cron: text('must be a cron expression such as 0 9 * * MON-FRI').optional(),
    every: duration(1_000).optional(),
    fixedDelay: duration(1).optional(),
    after: listOf(upstreamSchema, 'upstreams', {
      ...{ min: 1, max: MAX_UPSTREAMS, wrong: UPSTREAMS, tooFew: UPSTREAMS, tooMany: UPSTREAMS },
    })
      .readonly()
      .optional(),
    on: name(EVENT).optional(),
    filter: text('must be an expression such as event.plan == "pro"').optional(),
    wait: duration().optional(),
    timezone: text('must be the name of a time zone such as Europe/Paris').optional(),
    dst: dstSchema.optional(),
    startAt: instant.optional(),
    endAt: instant.optional(),
    exclude: listOf(excludedDays(), 'days such as 2026-12-25 or 2026-12-24/2026-12-27', { max: 1_000 })
      .readonly()
      .optional(),
    jitter: duration().optional(),
    maxRuns: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  },
  NOT_YET,
);

type Fields = z.output<typeof fields>;
type Refuse = (path: readonly PropertyKey[], message: string) => void;

/** What users write → `Schedule`, with every default filled in. */
export const scheduleSchema = fields.transform((written, context) => read(written, context, validateCron));
/** The same of a schedule that was accepted before, maybe by an earlier release, which took steps without a meaning. */
export const storedScheduleSchema = fields.transform((written, context) => read(written, context, unreadableCron));

type CronCheck = (cron: string, timezone: string) => string | undefined;

function read(written: Fields, context: z.RefinementCtx, cronProblem: CronCheck): Schedule {
  let refused = false;
  const refuse: Refuse = (path, message) => {
    refused = true;
    context.addIssue({ code: 'custom', path: [...path], message });
  };
  const kind = kindOf(written, refuse);
  if (kind !== undefined) checkCompany(kind, written, refuse, cronProblem);
  return refused || kind === undefined ? z.NEVER : scheduleOf(kind, written);
}

function kindOf(written: Fields, refuse: Refuse): Kind | undefined {
  const kinds = SCHEDULE_KINDS.filter((kind) => written[kind] !== undefined);
  if (kinds.length === 1) return kinds[0];
  const has = kinds.length === 0 ? `has none of ${listed(SCHEDULE_KINDS)}` : `has ${listed(kinds, 'and')}`;
  refuse([], `${has}; exactly one of ${listed(SCHEDULE_KINDS)} is needed`);
  return undefined;
}

/** Whether the other fields may stand beside this kind. */
function checkCompany(kind: Kind, written: Fields, refuse: Refuse, cronProblem: CronCheck): void {
  if (kind === 'at' || kind === 'in') {
    for (const field of [...BOUND_FIELDS, 'timezone'] as const) {
      if (written[field] !== undefined)
        refuse([field], `belongs to cron, every and fixedDelay; a one-shot (${kind}) has none`);
    }
  }
  if (kind === 'after') checkChain(written, refuse);
  if (kind === 'on') {
    for (const field of ['exclude', 'jitter', 'timezone'] as const) {
      if (written[field] !== undefined)
        refuse([field], 'belongs to cron, every and fixedDelay; an event comes when it comes');
    }
    const problem = written.filter === undefined ? undefined : filterProblem(written.filter);
    if (problem !== undefined) refuse(['filter'], problem);
  } else {
    for (const field of ['filter', 'wait'] as const) {
      if (written[field] !== undefined) refuse([field], `belongs to on, which waits for an event; ${kind} does not`);
    }
  }
  if (kind !== 'cron' && written.dst !== undefined) refuse(['dst'], `belongs to cron; ${kind} counts real time`);
  const { timezone, exclude, startAt, endAt } = written;
  if ((kind === 'every' || kind === 'fixedDelay') && timezone !== undefined && !exclude?.length) {
    refuse(['timezone'], `has no effect on ${kind} without exclude; leave it out`);
  }
  if (startAt !== undefined && endAt !== undefined && endAt <= startAt) {
    refuse(['endAt'], 'is not later than startAt');
  }
  if (timezone !== undefined && !isNamedZone(timezone))
    refuse(['timezone'], `names an unknown time zone (${timezone.slice(0, 60)})`);
  else if (written.cron !== undefined) checkCron(written, refuse, cronProblem);
}

function checkChain({ after = [], ...written }: Fields, refuse: Refuse): void {
  for (const field of ['exclude', 'jitter', 'timezone'] as const) {
    if (written[field] !== undefined)
      refuse([field], 'belongs to cron, every and fixedDelay; a chain (after) has none');
  }
  for (const [index, { job }] of after.entries()) {
    if (after.findIndex((upstream) => upstream.job === job) < index)
      refuse(['after', index, 'job'], `names ${job} a second time; name each upstream once`);
  }
}

function checkCron({ cron = '', timezone = 'UTC' }: Fields, refuse: Refuse, cronProblem: CronCheck): void {
  const problem = cron.length > 500 ? 'it is longer than 500 characters' : cronProblem(cron, timezone);
  if (problem !== undefined) refuse(['cron'], `is not valid: ${problem}`);
}

function scheduleOf(kind: Kind, written: Fields): Schedule {
  const { timezone = 'UTC' } = written;
  switch (kind) {
    case 'at':
      return { kind, at: written.at! };
    case 'in':
      return { kind, delayMs: written.in! };
    case 'cron':
      return {
        kind,
        cron: written.cron!,
        timezone,
        dst: written.dst ?? { gap: 'shift', repeat: 'once' },
        ...boundsOf(written),
      };
    case 'every':
      return { kind, everyMs: written.every!, timezone, ...boundsOf(written) };
    case 'fixedDelay':
      return { kind, delayMs: written.fixedDelay!, timezone, ...boundsOf(written) };
    case 'after':
      return { kind, after: written.after!.map(upstreamOf), timezone, ...boundsOf(written) };
    case 'on': {
      const { on: event, filter = null, wait: waitMs = 0 } = written;
      return { kind, event: event!, filter, waitMs, timezone, ...boundsOf(written) };
    }
  }
}

function upstreamOf({ job, when }: z.output<typeof upstreamSchema>): Upstream {
  return { jobId: job, when };
}

function boundsOf({ startAt, endAt, exclude, jitter, maxRuns }: Fields): Bounds {
  return {
    startAt: startAt ?? null,
    endAt: endAt ?? null,
    exclude: exclude ?? [],
    jitterMs: jitter ?? 0,
    maxRuns: maxRuns ?? null,
  };
}

function excludedDays() {
  const allowed = 'must be a day that exists such as 2026-12-25, or two in order such as 2026-12-24/2026-12-27';
  return text(allowed, { tooLong: allowed }).refine(
    (text) => {
      const [from = '', to = from, ...more] = text.split('/');
      return more.length === 0 && isDay(from) && isDay(to) && from <= to;
    },
    { error: allowed },
  );
}

/** Spares most schedules the dear look-up. */
const COMMON_ZONES = new Set(['UTC', ...Intl.supportedValuesOf('timeZone')]);

/** Whether it is a name of the time zone database. Offsets are refused: they know no summer time, which users expect. */
function isNamedZone(text: string): boolean {
  return COMMON_ZONES.has(text) || (/^[A-Za-z]/.test(text) && isTimeZone(text));
}
