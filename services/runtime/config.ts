/**
 * Configuration: environment variables, read once by a main file, checked, defaulted and frozen. Nothing is read at import.
 * All durations are milliseconds here; users write `30s`.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { BelfryError } from '../core/errors.ts';
import { parseDuration } from '../core/spec/duration.ts';
import { EVENT, KAFKA_TOPIC, TENANT } from '../core/spec/names.ts';
import { isOwnName } from '../core/own-names.ts';
import { SEAL_KEY_BYTES } from '../core/webhook-secret.ts';

export type KafkaSettings = {
  brokers: readonly string[];
  clientId: string;
  ssl: false | true | { ca?: string; cert?: string; key?: string };
  sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | undefined;
};

export type Config = Readonly<{
  kafka: KafkaSettings;
  databaseUrl: string;
  /** The server itself, where `databaseUrl` leads to a pooler in between; otherwise the same. */
  databaseDirectUrl: string;
  databasePoolMax: number;
  databaseSchema: string;
  registry: { url: string; username?: string; password?: string } | undefined;
  topicPrefix: string;
  /** As set; undefined: whatever the deployment was migrated with (12 at the first migration). */
  partitions: number | undefined;
  dataDir: string;
  concurrency: number;
  /** What a job or a handler sets beyond it is capped. */
  maxTimeoutMs: number;
  /** When a process whose event loop stands still ends; 0: never; undefined: the service's own default. */
  stallTimeoutMs: number | undefined;
  historyMs: number;
  shutdownTimeoutMs: number;
  secretsDir: string | undefined;
  httpAllow: readonly string[];
  kafkaAllowTopics: readonly string[] | null;
  allowInlineSecrets: boolean;
  /** Seals the secrets of webhooks. */
  webhookKey: Buffer | undefined;
  /** Topics of the user's own whose records the timer emits as events. */
  eventSources: readonly { topic: string; tenant: string; event: string }[];
  /** undefined: the service's own default; 0: any free one. */
  port: number | undefined;
  /** Of /healthz, /readyz and /metrics; undefined: they are served at `port`. */
  opsPort: number | undefined;
  /** Where /healthz, /readyz and /metrics are served; undefined: everywhere, or where the API listens. */
  opsHost: string | undefined;
  /** Where the API listens; undefined: everywhere. */
  host: string | undefined;
  /** off: no keys, on this machine alone. */
  auth: 'keys' | 'off';
  /** Requests a second that one key may make. */
  apiRate: number;
  /** Proxies whose `X-Forwarded-For` the API believes: how many stand before it, or their addresses and networks. */
  trustProxy: number | readonly string[];
  /** What stands before the API speaks TLS. */
  behindProxy: boolean;
  logLevel: string;
}>;

const list = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms === undefined)
    context.addIssue({ code: 'custom', message: `"${text}" is not a duration such as 30s, 5m or 2d` });
  return ms ?? 0;
});
const sources = z.string().transform((text, context) =>
  list(text).flatMap((item) => {
    const [topic = '', target = '', ...more] = item.split('=');
    const [tenant, event] = target.includes('/') ? target.split('/') : ['default', target];
    const holds =
      KAFKA_TOPIC.holds(topic) &&
      TENANT.holds(tenant!) &&
      EVENT.holds(event!) &&
      !isOwnName(event!) &&
      more.length === 0;
    if (holds) return [{ topic, tenant: tenant!, event: event! }];
    context.addIssue({ code: 'custom', message: `"${item}" is not TOPIC=EVENT or TOPIC=TENANT/EVENT` });
    return [];
  }),
);
const proxies = z.string().transform((text, context) => {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const wrong = list(text).find((item) => !isNetwork(item));
  if (wrong !== undefined) {
    const message = `"${wrong}" is neither a number of proxies nor an address or network such as 10.0.0.0/8`;
    context.addIssue({ code: 'custom', message });
  }
  return list(text);
});
function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return more.length === 0 && most > 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
}
const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.enum(['0', '1', 'true', 'false']).transform((text) => text === '1' || text === 'true');

const variables = z.object({
  KAFKA_BROKERS: z.string().transform(list).default([]),
  KAFKA_CLIENT_ID: z.string().min(1).default('belfry'),
  KAFKA_SSL: flag.default(false),
  KAFKA_SSL_CA: z.string().optional(),
  KAFKA_SSL_CERT: z.string().optional(),
  KAFKA_SSL_KEY: z.string().optional(),
  KAFKA_SASL_MECHANISM: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  DATABASE_URL: z.string().default(''),
  DATABASE_DIRECT_URL: z.string().optional(),
  DATABASE_POOL_MAX: count(2, 1000).default(10),
  SCHEMA_REGISTRY_URL: z.url().optional(),
  SCHEMA_REGISTRY_USERNAME: z.string().optional(),
  SCHEMA_REGISTRY_PASSWORD: z.string().optional(),
  PORT: count(0, 65535).optional(),
  BELFRY_OPS_PORT: count(0, 65535).optional(),
  BELFRY_OPS_HOST: z.string().optional(),
  BELFRY_API_HOST: z.string().optional(),
  BELFRY_AUTH: z.enum(['keys', 'off']).default('keys'),
  BELFRY_API_RATE: count(1, 1_000_000).default(1_000),
  BELFRY_TRUST_PROXY: proxies.default([]),
  BELFRY_BEHIND_PROXY: flag.default(false),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  BELFRY_TOPIC_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,100}$/, 'takes letters, digits, dots, dashes and underscores')
    .default(''),
  BELFRY_PARTITIONS: count(1, 1024).optional(),
  BELFRY_DB_SCHEMA: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'takes a plain lower-case SQL name')
    .default('belfry'),
  BELFRY_DATA_DIR: z.string().min(1).default('.belfry'),
  BELFRY_CONCURRENCY: count(1, 10_000).default(100),
  BELFRY_MAX_TIMEOUT: duration.refine((ms) => ms > 0, 'must be longer than 0').default(86_400_000),
  BELFRY_STALL_TIMEOUT: duration.optional(),
  BELFRY_HISTORY: duration.default(30 * 86_400_000),
  BELFRY_SHUTDOWN_TIMEOUT: duration.default(25_000),
  BELFRY_SECRETS_DIR: z.string().optional(),
  BELFRY_HTTP_ALLOW: z.string().transform(list).default([]),
  BELFRY_KAFKA_ALLOW_TOPICS: z.string().transform(list).optional(),
  BELFRY_EVENT_SOURCES: sources.default([]),
  BELFRY_ALLOW_INLINE_SECRETS: flag.default(false),
  BELFRY_WEBHOOK_KEY: z.string().optional(),
});

/**
 * Reads and checks the environment.
 * @throws BelfryError `config_invalid`, naming every variable that is wrong and what it takes
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  // An empty variable is an unset one: that is how shells and compose files leave them out.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new BelfryError('config_invalid', `The configuration is wrong.\n  ${problems.join('\n  ')}`);
  }
  const v = parsed.data;
  const registry =
    v.SCHEMA_REGISTRY_URL === undefined
      ? undefined
      : { url: v.SCHEMA_REGISTRY_URL, username: v.SCHEMA_REGISTRY_USERNAME, password: v.SCHEMA_REGISTRY_PASSWORD };
  return Object.freeze({
    kafka: { brokers: v.KAFKA_BROKERS, clientId: v.KAFKA_CLIENT_ID, ssl: sslOf(v), sasl: saslOf(v) },
    databaseUrl: v.DATABASE_URL,
    databaseDirectUrl: v.DATABASE_DIRECT_URL ?? v.DATABASE_URL,
    databasePoolMax: v.DATABASE_POOL_MAX,
    databaseSchema: v.BELFRY_DB_SCHEMA,
    registry,
    topicPrefix: v.BELFRY_TOPIC_PREFIX,
    partitions: v.BELFRY_PARTITIONS,
    dataDir: v.BELFRY_DATA_DIR,
    concurrency: v.BELFRY_CONCURRENCY,
    maxTimeoutMs: v.BELFRY_MAX_TIMEOUT,
    stallTimeoutMs: v.BELFRY_STALL_TIMEOUT,
    historyMs: v.BELFRY_HISTORY,
    shutdownTimeoutMs: v.BELFRY_SHUTDOWN_TIMEOUT,
    secretsDir: v.BELFRY_SECRETS_DIR,
    httpAllow: v.BELFRY_HTTP_ALLOW,
    kafkaAllowTopics: v.BELFRY_KAFKA_ALLOW_TOPICS ?? null,
    eventSources: v.BELFRY_EVENT_SOURCES,
    allowInlineSecrets: v.BELFRY_ALLOW_INLINE_SECRETS,
    webhookKey: v.BELFRY_WEBHOOK_KEY === undefined ? undefined : readKey('BELFRY_WEBHOOK_KEY', v.BELFRY_WEBHOOK_KEY),
    port: v.PORT,
    opsPort: v.BELFRY_OPS_PORT,
    opsHost: v.BELFRY_OPS_HOST,
    host: v.BELFRY_API_HOST,
    auth: v.BELFRY_AUTH,
    apiRate: v.BELFRY_API_RATE,
    trustProxy: v.BELFRY_TRUST_PROXY,
    behindProxy: v.BELFRY_BEHIND_PROXY,
    logLevel: v.LOG_LEVEL,
  });
}

/**
 * Refuses a configuration that names no servers, and says what to do.
 * @throws BelfryError `config_invalid`
 */
export function requireServers(config: Config, needs: { kafka: boolean; database: boolean }): void {
  const missing: string[] = [];
  if (needs.kafka && config.kafka.brokers.length === 0) missing.push('KAFKA_BROKERS (host:port, several with commas)');
  if (needs.database && config.databaseUrl === '')
    missing.push('DATABASE_URL (postgres://user:password@host:5432/name)');
  if (missing.length > 0) {
    throw new BelfryError(
      'config_invalid',
      `Set ${missing.join(' and ')}. To try Belfry without servers of your own, run "belfry dev" in another terminal: commands started in the same folder find it.`,
    );
  }
}

function sslOf(v: z.infer<typeof variables>): KafkaSettings['ssl'] {
  const files = { ca: v.KAFKA_SSL_CA, cert: v.KAFKA_SSL_CERT, key: v.KAFKA_SSL_KEY };
  if (Object.values(files).every((file) => file === undefined)) return v.KAFKA_SSL;
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, file]) =>
      file === undefined ? [] : [[name, readPem(`KAFKA_SSL_${name.toUpperCase()}`, file)]],
    ),
  );
}

/** Takes a path or the PEM text itself. */
function readPem(variable: string, value: string): string {
  return value.includes('-----BEGIN') ? value : readText(variable, `the file ${value}`, value);
}

/** Takes a path or the key itself, 32 bytes in base64. What came is not shown: it may be a key with a mistake. */
function readKey(variable: string, value: string): Buffer {
  const own = keyOf(value);
  const key = own ?? keyOf(readText(variable, 'it is no key of 32 bytes in base64, and as a file it', value));
  if (key !== undefined) return key;
  throw new BelfryError('config_invalid', `${variable}: the file holds no key; make one with: openssl rand -base64 32`);
}

function keyOf(text: string): Buffer | undefined {
  const key = Buffer.from(text.trim(), 'base64');
  return key.length === SEAL_KEY_BYTES && key.toString('base64') === text.trim() ? key : undefined;
}

function readText(variable: string, what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new BelfryError('config_invalid', `${variable}: ${what} cannot be read.`, { cause });
  }
}

function saslOf(v: z.infer<typeof variables>): KafkaSettings['sasl'] {
  if (v.KAFKA_SASL_MECHANISM === undefined) return undefined;
  if (v.KAFKA_SASL_USERNAME === undefined || v.KAFKA_SASL_PASSWORD === undefined) {
    throw new BelfryError('config_invalid', 'KAFKA_SASL_MECHANISM needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.');
  }
  return { mechanism: v.KAFKA_SASL_MECHANISM, username: v.KAFKA_SASL_USERNAME, password: v.KAFKA_SASL_PASSWORD };
}
