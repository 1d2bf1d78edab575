import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BelfryError } from '../../../services/core/errors.ts';
import { readConfig, requireServers, type Config } from '../../../services/runtime/config.ts';

/** Every variable: where it goes, its default, a good value with what becomes of it, a bad one. */
const VARIABLES: [
  name: string,
  of: (config: Config) => unknown,
  byDefault: unknown,
  good: [string, unknown],
  bad?: string,
][] = [
  ['KAFKA_BROKERS', (c) => c.kafka.brokers, [], ['one:1, two:2,', ['one:1', 'two:2']]],
  ['KAFKA_CLIENT_ID', (c) => c.kafka.clientId, 'belfry', ['shop', 'shop']],
  ['KAFKA_SSL', (c) => c.kafka.ssl, false, ['true', true], 'yes'],
  ['KAFKA_SSL_CA', (c) => c.kafka.ssl, false, ['-----BEGIN x', { ca: '-----BEGIN x' }], '/nowhere/ca.pem'],
  ['KAFKA_SSL_CERT', (c) => c.kafka.ssl, false, ['-----BEGIN x', { cert: '-----BEGIN x' }], '/nowhere/cert.pem'],
  ['KAFKA_SSL_KEY', (c) => c.kafka.ssl, false, ['-----BEGIN x', { key: '-----BEGIN x' }], '/nowhere/key.pem'],
  ['DATABASE_URL', (c) => c.databaseUrl, '', ['postgres://host/name', 'postgres://host/name']],
  ['DATABASE_DIRECT_URL', (c) => c.databaseDirectUrl, '', ['postgres://server/name', 'postgres://server/name']],
  ['DATABASE_POOL_MAX', (c) => c.databasePoolMax, 10, ['25', 25], '1'],
  [
    'SCHEMA_REGISTRY_URL',
    (c) => c.registry?.url,
    undefined,
    ['http://registry:8081', 'http://registry:8081'],
    'registry',
  ],
  ['PORT', (c) => c.port, undefined, ['0', 0], '70000'],
  ['BELFRY_OPS_PORT', (c) => c.opsPort, undefined, ['9400', 9400], '-1'],
  ['BELFRY_OPS_HOST', (c) => c.opsHost, undefined, ['127.0.0.1', '127.0.0.1']],
  ['BELFRY_BEHIND_PROXY', (c) => c.behindProxy, false, ['1', true], 'maybe'],
  ['BELFRY_TRUST_PROXY', (c) => c.trustProxy, [], ['10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']], '10.0.0.0/33'],
  ['LOG_LEVEL', (c) => c.logLevel, 'info', ['debug', 'debug'], 'loud'],
  ['BELFRY_TOPIC_PREFIX', (c) => c.topicPrefix, '', ['shop.', 'shop.'], 'a/b'],
  ['BELFRY_PARTITIONS', (c) => c.partitions, undefined, ['24', 24], '0'],
  ['BELFRY_DB_SCHEMA', (c) => c.databaseSchema, 'belfry', ['shop_jobs', 'shop_jobs'], 'Shop; DROP'],
  ['BELFRY_DATA_DIR', (c) => c.dataDir, '.belfry', ['/var/lib/belfry', '/var/lib/belfry']],
  ['BELFRY_CONCURRENCY', (c) => c.concurrency, 100, ['7', 7], 'many'],
  ['BELFRY_MAX_TIMEOUT', (c) => c.maxTimeoutMs, 86_400_000, ['2h', 7_200_000], '0s'],
  ['BELFRY_STALL_TIMEOUT', (c) => c.stallTimeoutMs, undefined, ['10s', 10_000], 'soon'],
  ['BELFRY_HISTORY', (c) => c.historyMs, 30 * 86_400_000, ['2d', 2 * 86_400_000], '2 days'],
  ['BELFRY_SHUTDOWN_TIMEOUT', (c) => c.shutdownTimeoutMs, 25_000, ['1m30s', 90_000], '90'],
  ['BELFRY_SECRETS_DIR', (c) => c.secretsDir, undefined, ['/run/secrets', '/run/secrets']],
  ['BELFRY_HTTP_ALLOW', (c) => c.httpAllow, [], ['10.0.0.0/8, intranet', ['10.0.0.0/8', 'intranet']]],
  ['BELFRY_WEBHOOK_KEY', (c) => c.webhookKey?.length, undefined, [Buffer.alloc(32).toString('base64'), 32], 'short'],
  ['BELFRY_KAFKA_ALLOW_TOPICS', (c) => c.kafkaAllowTopics, null, ['orders,mails', ['orders', 'mails']]],
  [
    'BELFRY_EVENT_SOURCES',
    (c) => c.eventSources,
    [],
    [
      'orders=order.made, users=acme/user.signup',
      [
        { topic: 'orders', tenant: 'default', event: 'order.made' },
        { topic: 'users', tenant: 'acme', event: 'user.signup' },
      ],
    ],
    'orders',
  ],
  ['BELFRY_ALLOW_INLINE_SECRETS', (c) => c.allowInlineSecrets, false, ['1', true], 'on'],
];

describe('the configuration', () => {
  for (const [name, of, byDefault, [text, value], bad] of VARIABLES) {
    it(`${name} is ${JSON.stringify(byDefault) ?? 'unset'} by default, also when it is empty`, () => {
      assert.deepEqual(of(readConfig({})), byDefault);
      assert.deepEqual(of(readConfig({ [name]: '' })), byDefault);
    });

    it(`${name}=${text} is read`, () => assert.deepEqual(of(readConfig({ [name]: text })), value));

    if (bad !== undefined) {
      it(`${name}=${bad} is refused by name`, () => {
        assert.throws(() => readConfig({ [name]: bad }), { code: 'config_invalid', message: new RegExp(`${name}:`) });
      });
    }
  }

  it('takes KAFKA_SASL_* together, and says what is missing', () => {
    const sasl = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'me', KAFKA_SASL_PASSWORD: 'secret' };
    assert.equal(readConfig({}).kafka.sasl, undefined);
    assert.deepEqual(readConfig(sasl).kafka.sasl, { mechanism: 'plain', username: 'me', password: 'secret' });
    for (const missing of ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'])
      assert.throws(() => readConfig({ ...sasl, [missing]: '' }), {
        code: 'config_invalid',
        message: new RegExp(missing),
      });
    assert.throws(() => readConfig({ ...sasl, KAFKA_SASL_MECHANISM: 'kerberos' }), /KAFKA_SASL_MECHANISM:/);
  });

  it('takes user and password of the registry', () => {
    const env = {
      SCHEMA_REGISTRY_URL: 'http://registry',
      SCHEMA_REGISTRY_USERNAME: 'me',
      SCHEMA_REGISTRY_PASSWORD: 'x',
    };
    assert.deepEqual(readConfig(env).registry, { url: 'http://registry', username: 'me', password: 'x' });
  });

  it('names all that is wrong at once', () => {
    const error = thrownBy(() => readConfig({ PORT: 'x', BELFRY_HISTORY: 'x', KAFKA_BROKERS: 'fine:1' }));
    assert.match(error.message, /PORT: .*\n.*BELFRY_HISTORY: "x" is not a duration such as 30s/);
    assert.doesNotMatch(error.message, /KAFKA_BROKERS/);
  });

  it('cannot be changed, and takes no notice of variables that it does not know', () => {
    const config = readConfig({ PATH: '/bin', BELFRY_SOMETHING: 'else' });
    assert.throws(() => Object.assign(config, { port: 1 }), TypeError);
  });

  it('without servers says which variables to set, and how to try Belfry without servers', () => {
    const error = thrownBy(() => requireServers(readConfig({}), { kafka: true, database: true }));
    assert.equal(error.code, 'config_invalid');
    assert.match(error.message, /KAFKA_BROKERS .* and DATABASE_URL .*belfry dev/);
    requireServers(readConfig({ KAFKA_BROKERS: 'one:1' }), { kafka: true, database: false });
  });
});

function thrownBy(work: () => unknown): BelfryError {
  try {
    work();
  } catch (error) {
    return error as BelfryError;
  }
  return assert.fail('nothing was thrown');
}
