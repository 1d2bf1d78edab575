/**
 * What users write, as types: jobs and commands before validation. Everything optional has the default that its
 * comment names. Durations are text such as `500ms`, `30s`, `5m`, `1h30m`, `2d`; times are ISO 8601 with an offset,
 * such as `2026-12-01T09:00:00Z`.
 */
import type { ChainCondition, Delivery, Overlap, Priority } from '../model.ts';

/** Runs once, at a time; a time in the past runs at once. */
export type AtInput = {
  /** The time, with an offset: `2026-12-01T09:00:00Z`. */
  at: string;
};

/** Runs once, after a while. */
export type InInput = {
  /** Counted from the moment at which Kafka took the command: `5m`. */
  in: string;
};

/** What bounds and thins a recurring schedule. */
export type BoundsInput = {
  /** No occurrence before this time; for `every` and `fixedDelay` it is the first one. Default: none. */
  startAt?: string;
  /** No occurrence at this time or later. Default: none. */
  endAt?: string;
  /** Days without a run, both ends included: `2026-12-25`, `2026-12-24/2026-12-27`. Default: none. */
  exclude?: readonly string[];
  /** Each start is moved by up to this much, the same for the same occurrence. Default: `0s`. */
  jitter?: string;
  /** The job is finished after so many runs. Default: no end. */
  maxRuns?: number;
};

/** What happens when the clocks change. */
export type DstInput = {
  /** A time that is left out in spring: moved behind the gap, or skipped. Default: `shift`. */
  gap?: 'shift' | 'skip';
  /** A time that comes twice in autumn: one run or both. Default: `once`. */
  repeat?: 'once' | 'both';
};

/** Runs by the calendar. */
export type CronInput = BoundsInput & {
  /** 5 fields, 6 with seconds first, or `@daily` and its like: `0 9 * * MON-FRI`. */
  cron: string;
  /** The name of a time zone, such as `Europe/Paris`. Default: `UTC`. */
  timezone?: string;
  dst?: DstInput;
};

/** Runs at a fixed rate. */
export type EveryInput = BoundsInput & {
  /** At least `1s`; the first run comes one interval after applying, or at `startAt`. */
  every: string;
  /** The time zone of the days in `exclude`. Default: `UTC`. */
  timezone?: string;
};

/** Runs a while after the end of the run before, whatever its outcome. */
export type FixedDelayInput = BoundsInput & {
  /** From the end of one run to the start of the next: `5m`. */
  fixedDelay: string;
  /** The time zone of the days in `exclude`. Default: `UTC`. */
  timezone?: string;
};

/** Runs when runs of other jobs have ended: a chain, or with several upstreams a fan-in. */
export type AfterInput = Pick<BoundsInput, 'startAt' | 'endAt' | 'maxRuns'> & {
  /**
   * 1 to 20 jobs of the same tenant, each once. The job runs when a run of each has ended since its own last one. When one
   * ended otherwise than its `when` wants, that occurrence is SKIPPED, with the reason `upstream`.
   */
  after: readonly UpstreamInput[];
};

export type UpstreamInput = {
  /** The id of a job that exists. */
  job: string;
  /** COMPLETED, FAILED, or any end (CANCELLED and SKIPPED, too). Default: `success`. */
  when?: ChainCondition;
};

/** Runs once for every event of a name. */
export type OnInput = Pick<BoundsInput, 'startAt' | 'endAt' | 'maxRuns'> & {
  /** The event's name: letters, digits and `. _ : -`, such as `user.signup`. */
  on: string;
  /**
   * An expression of CEL on `event`, the payload: `event.plan == "pro" && event.seats > 10`. At most 1,000 characters, without loops
   * and regular expressions. One that fails on an event (a missing field, types that do not fit) does not let it pass. Default: all pass.
   */
  filter?: string;
  /** How long after the event the run comes due: `24h`. Default: `0s`. */
  wait?: string;
};

/** When a job runs: exactly one of `at`, `in`, `cron`, `every`, `fixedDelay`, `after`, `on`. */
export type ScheduleInput = AtInput | InInput | CronInput | EveryInput | FixedDelayInput | AfterInput | OnInput;

/** How failed attempts are tried again: the n-th retry waits initialDelay · factor^(n−1), at most maxDelay. */
export type RetryInput = {
  /** 0 to 100. Default: 3; with delivery `at_most_once` 0, and nothing else is valid. */
  maxRetries?: number;
  /** Default: `2s`. */
  initialDelay?: string;
  /** 1 to 10. Default: 2. */
  factor?: number;
  /** Not shorter than initialDelay. Default: `1h`, or initialDelay if that is longer. */
  maxDelay?: string;
  /** Share of the delay, 0 to 1, by which it is shortened or lengthened at the most. Default: 0. */
  jitter?: number;
};

/** What becomes of occurrences that nobody could decide in time. A one-shot takes `policy` (skip, once) and `window`. */
export type MissedInput = {
  /** Run none of them, the latest, or the latest `limit` in order. Default: `once`; a one-shot with `skip` may be `1m` late. */
  policy?: 'skip' | 'once' | 'all';
  /** What is less late than this is not missed: it runs late. At least `1s`. Default: `1m`. */
  threshold?: string;
  /** Occurrences older than this are skipped under every policy: the deadline of a one-shot. Default: none. */
  window?: string;
  /** 1 to 1,000. Default: 100. */
  limit?: number;
};

/** Text is a key with limit 1. */
export type ConcurrencyKeyInput =
  | string
  | {
      /** 1 to 200 characters; the tenant's own: other tenants' keys of the same name are other keys. */
      key: string;
      /** 1 to 10,000 runs at one time. Jobs that share a key should name the same. Default: 1. */
      limit?: number;
    };

/** What jobs of every type have. */
type CommonInput = {
  schedule: ScheduleInput;
  /** Default: `medium`. */
  priority?: Priority;
  /** Which executors run it (`belfry executor --queue NAME`). Default: `default`. */
  queue?: string;
  retry?: RetryInput;
  /** For one attempt; at most `7d`. Default: that of the handler, or else `30s` for HTTP_REQUEST, `15m` otherwise. */
  timeout?: string;
  /** What a run does that comes due while another is active. Default: `skip`; for `at`, `in`, `after` and `on` `allow`. */
  overlap?: Overlap;
  missed?: MissedInput;
  /** `at_most_once` for what must never be tried twice. Default: `at_least_once`. */
  delivery?: Delivery;
  /** At most 32 short texts, for finding jobs and runs again. Default: none. */
  labels?: Record<string, string>;
  /**
   * So many runs of the tenant with this key run at one time, over all of its jobs and executors; the others wait, oldest
   * first. Not for KAFKA_MESSAGE. Default: none.
   */
  concurrencyKey?: ConcurrencyKeyInput;
};

/** The value of a header: text, or the name of a secret that is read when sending. */
export type HeaderInput = string | { secret: string };

export type HttpPayloadInput = {
  /** Default: `GET`. */
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** http or https, without credentials. */
  url: string;
  headers?: Record<string, HeaderInput>;
  /** Text goes out as it is, anything else as JSON. Default: no body. */
  body?: unknown;
  /** Statuses that mean success: `204`, or a class such as `2xx`. Default: `["2xx"]`. */
  expectStatus?: readonly string[];
};

export type KafkaPayloadInput = {
  topic: string;
  /** Default: null, no key. */
  key?: string | null;
  /** Text goes out as it is, anything else as JSON; null, like neither value, is a tombstone. */
  value?: unknown;
  /** Bytes, instead of `value`. */
  valueBase64?: string;
  headers?: Record<string, string>;
};

/** Calls a URL. */
export type HttpJobInput = CommonInput & { type: 'HTTP_REQUEST'; payload: HttpPayloadInput };

/** Produces a Kafka record. */
export type KafkaJobInput = CommonInput & { type: 'KAFKA_MESSAGE'; payload: KafkaPayloadInput };

/** Calls a handler of one's own. */
export type CustomJobInput = CommonInput & {
  type: 'CUSTOM';
  /** The name under which an executor has the handler. */
  handler: string;
  /** Any JSON of at most 256 KiB. Default: `{}`. */
  payload?: unknown;
};

/** A job as users write it. */
export type JobInput = HttpJobInput | KafkaJobInput | CustomJobInput;

type HeadInput = {
  /** Chosen by the sender, at most 128 characters, unique per job: the same id twice has one effect. */
  commandId: string;
  /** Default: `default`. */
  tenant?: string;
  jobId: string;
  /** Whether to answer on job.commands.acks. Default: false. */
  ack?: boolean;
};

export type ScheduleCommandInput = HeadInput & {
  type: 'schedule';
  /** What to do with an existing job of this id. Default: `replace`. */
  ifExists?: 'replace' | 'keep' | 'reject';
  /** Compare-and-set: applied only to this version of an existing job. Default: any. */
  ifVersion?: number;
  job: JobInput;
};

export type TriggerCommandInput = HeadInput & {
  type: 'trigger';
  /** Instead of the job's own; an explicit null is a payload too. */
  payload?: unknown;
  /** Instead of the job's own. */
  overlap?: Overlap;
};

export type ReplayCommandInput = HeadInput & {
  type: 'replay';
  /** The dead run. */
  runId: string;
  /** Also when a replay of the run is live or COMPLETED. Default: false. */
  force?: boolean;
};

/** Tells of an event: every job that listens to it (`schedule: { on }`) and whose filter lets it pass runs once. */
export type EmitCommandInput = Omit<HeadInput, 'jobId'> & {
  type: 'emit';
  /** Nothing but the event's name, for formats that have it in every command. */
  jobId?: string;
  /** Its name, which is its place on the topic, too: the key is `tenant/event`. */
  event: string;
  /** At most 300 characters: the same id twice is one event, for a day at least. Default: the commandId. */
  eventId?: string;
  /** Any JSON of at most 256 KiB; handlers get it as `ctx.event.payload`. Default: null. */
  payload?: unknown;
};

/** Runs occurrences of a recurring job (`cron`, `every`) that lie in the past and had no run. */
export type BackfillCommandInput = HeadInput & {
  type: 'backfill';
  /** The first time that belongs to it. */
  from: string;
  /** The first time that does not any more. What was not decided yet, or is to come, is left to the schedule. */
  to: string;
  /** Only answers which occurrences would run. Default: false. */
  dryRun?: boolean;
  /** `buffer_all`: one after the other; `allow`: all at once. Default: `buffer_all`. */
  overlap?: 'buffer_all' | 'allow';
  /** It is refused when there are more: 1 to 1,000. Default: 1,000. */
  limit?: number;
};

export type SimpleCommandInput = HeadInput & { type: 'cancel' | 'pause' | 'resume' };
/** Of one run: its job goes on. */
export type CancelRunCommandInput = HeadInput & { type: 'cancel'; runId: string };

/** A command as users write it: the value of a record on job.commands. */
export type CommandInput =
  | ScheduleCommandInput
  | TriggerCommandInput
  | ReplayCommandInput
  | EmitCommandInput
  | BackfillCommandInput
  | SimpleCommandInput
  | CancelRunCommandInput;
