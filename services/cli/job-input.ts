/** From the flags of `belfry schedule` (and `preview`) to a job as its user would write it in a file. */
import { Option, type Command } from 'commander';
import {
  MISSED_POLICIES,
  OVERLAPS,
  PRIORITIES,
  USER_JOB_TYPES,
  type Overlap,
  type Priority,
  type UserJobType,
} from '../core/model.ts';
import type { ConcurrencyKeyInput, JobInput, MissedInput, ScheduleInput, UpstreamInput } from '../core/spec/input.ts';
import { usageError } from './exit.ts';
import { jsonValue, oneOf, pair, whole } from './options.ts';

export type ScheduleFlags = {
  in?: string;
  at?: string;
  cron?: string;
  timezone?: string;
  every?: string;
  fixedDelay?: string;
  after?: UpstreamInput[];
  on?: string;
  filter?: string;
  eventWait?: string;
  maxRuns?: number;
};

export type JobFlags = ScheduleFlags & {
  type?: UserJobType;
  handler?: string;
  payload?: { value: unknown };
  url?: string;
  method?: string;
  header?: Record<string, string>;
  body?: { value: unknown };
  topic?: string;
  key?: string;
  value?: { value: unknown };
  priority?: Priority;
  queue?: string;
  retries?: number;
  timeout?: string;
  overlap?: Overlap;
  missed?: MissedInput['policy'];
  missedWindow?: string;
  label?: Record<string, string>;
  concurrencyKey?: string;
  concurrencyLimit?: number;
};

const KINDS = ['in', 'at', 'cron', 'every', 'fixedDelay', 'after', 'on'] as const;

export function addScheduleFlags(command: Command): Command {
  return command
    .option('--in <duration>', 'once, after this long: 5m')
    .option('--at <time>', 'once, at this time: 2026-12-01T09:00:00Z')
    .option('--cron <expression>', 'by the calendar: "0 9 * * MON-FRI"')
    .option('--timezone <name>', 'of the cron expression: Europe/Paris (default: UTC)')
    .option('--every <duration>', 'at a fixed rate: 5m')
    .option('--fixed-delay <duration>', 'so long after the end of the run before: 5m')
    .option('--after <jobs>', 'when runs of these have ended: extract or extract:success,load:always', upstreams)
    .option('--max-runs <n>', 'end after so many runs', whole('--max-runs', 1, Number.MAX_SAFE_INTEGER));
}

export function addJobFlags(command: Command): Command {
  return addScheduleFlags(command)
    .option('--on <event>', 'once for every event of this name: user.signup')
    .option('--filter <expression>', 'with --on: CEL on the payload: event.plan == "pro"')
    .option('--event-wait <duration>', 'with --on: so long after the event: 24h')
    .addOption(oneOf('--type <type>', 'what a run does (default: as --handler, --url or --topic says)', USER_JOB_TYPES))
    .option('--handler <name>', 'CUSTOM: the handler to call')
    .option(
      '--payload <json>',
      'what the handler gets; HTTP_REQUEST and KAFKA_MESSAGE: all of their payload',
      jsonValue('--payload'),
    )
    .option('--url <url>', 'HTTP_REQUEST: what to call')
    .addOption(
      new Option('--method <method>', 'HTTP_REQUEST: GET unless given').argParser((text) => text.toUpperCase()),
    )
    .option('--header <name=value>', 'HTTP_REQUEST, KAFKA_MESSAGE: a header; may be repeated', pair('--header'))
    .option('--body <json>', 'HTTP_REQUEST: what to send', jsonValue('--body'))
    .option('--topic <topic>', 'KAFKA_MESSAGE: where to write')
    .option('--key <text>', 'KAFKA_MESSAGE: the key of the record')
    .option('--value <json>', 'KAFKA_MESSAGE: the value of the record', jsonValue('--value'))
    .addOption(oneOf('--priority <priority>', 'medium unless given', PRIORITIES))
    .option('--queue <name>', 'which executors run it')
    .option('--retries <n>', 'how often a failed attempt is tried again', whole('--retries', 0, 100))
    .option('--timeout <duration>', 'for one attempt: 30s')
    .addOption(oneOf('--overlap <policy>', 'what a run does while another is active', OVERLAPS))
    .addOption(oneOf('--missed <policy>', 'what is run of times that no timer was there for', MISSED_POLICIES))
    .option('--missed-window <duration>', 'run nothing that is later than this: the deadline of --at and --in')
    .option('--concurrency-key <text>', 'runs with the same key wait for each other')
    .option(
      '--concurrency-limit <n>',
      'of the key: most runs at one time; 1 unless given',
      whole('--concurrency-limit', 1, 10_000),
    )
    .option('--label <name=value>', 'for finding it again; may be repeated', pair('--label'));
}

/** @throws BelfryError `usage` when there is not exactly one kind of schedule */
export function scheduleInputOf(flags: ScheduleFlags): ScheduleInput {
  const given = KINDS.filter((kind) => flags[kind] !== undefined);
  const [kind] = given;
  if (kind === undefined)
    throw usageError(
      'Say when: --in 5m, --at TIME, --cron "0 9 * * *", --every 5m, --fixed-delay 5m, --after JOB or --on EVENT.',
    );
  if (given.length > 1) throw usageError(`Give one of ${given.map(flagOf).join(' and ')}, not both.`);
  const { timezone, maxRuns, filter, eventWait: wait } = flags;
  return withoutUndefined({ [kind]: flags[kind], timezone, maxRuns, filter, wait }) as ScheduleInput;
}

/** Everything but the flags' own contradictions is for the timer to judge. @throws BelfryError `usage` */
export function jobInputOf(flags: JobFlags): JobInput {
  const type = flags.type ?? typeOf(flags);
  const { handler, priority, queue, timeout, overlap, retries, label: labels } = flags;
  const concurrencyKey = concurrencyKeyOf(flags);
  const retry = retries === undefined ? undefined : { maxRetries: retries };
  const schedule = scheduleInputOf(flags);
  return withoutUndefined({
    ...{ type, handler, schedule, priority, queue, timeout, overlap, retry, labels, concurrencyKey },
    missed: missedOf(flags),
    payload: payloadOf(type, flags),
  }) as JobInput;
}

function missedOf({ missed: policy, missedWindow: window }: JobFlags): MissedInput | undefined {
  return policy === undefined && window === undefined ? undefined : withoutUndefined({ policy, window });
}

/** @throws BelfryError `usage` for a limit of no key */
function concurrencyKeyOf({ concurrencyKey, concurrencyLimit }: JobFlags): ConcurrencyKeyInput | undefined {
  if (concurrencyLimit === undefined) return concurrencyKey;
  if (concurrencyKey === undefined) throw usageError('Say which key the limit is of: --concurrency-key TEXT.');
  return { key: concurrencyKey, limit: concurrencyLimit };
}

function typeOf({ handler, url, topic }: JobFlags): UserJobType {
  if (url !== undefined) return 'HTTP_REQUEST';
  if (topic !== undefined) return 'KAFKA_MESSAGE';
  if (handler !== undefined) return 'CUSTOM';
  throw usageError('Say what to run: --handler NAME, --url URL, --topic TOPIC, or --file JOB.json.');
}

function payloadOf(type: UserJobType, flags: JobFlags): unknown {
  const { url, method, body, topic, key, value } = flags;
  const own = {
    HTTP_REQUEST: { url, method, headers: flags.header, body: body?.value },
    KAFKA_MESSAGE: { topic, key, value: value?.value, headers: flags.header },
    CUSTOM: {},
  }[type];
  const written = withoutUndefined(own);
  if (flags.payload === undefined) return type === 'CUSTOM' ? undefined : written;
  if (Object.keys(written).length > 0)
    throw usageError(`--payload brings all of it: leave out --${Object.keys(written).join(', --')}.`);
  return flags.payload.value;
}

/** `extract,load:failure`. Whether the words are right is for the timer to judge; a job id may hold colons. */
function upstreams(text: string): UpstreamInput[] {
  return text.split(',').map((part) => {
    const [, job = part, when] = /^(.*):(success|failure|always)$/.exec(part) ?? [];
    return withoutUndefined({ job, when }) as UpstreamInput;
  });
}

function flagOf(kind: (typeof KINDS)[number]): string {
  return kind === 'fixedDelay' ? '--fixed-delay' : `--${kind}`;
}

export function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
