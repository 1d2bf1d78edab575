import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMeta } from '../../../services/runtime/check-meta.ts';
import { readConfig } from '../../../services/runtime/config.ts';

const SHIPPED = 4;
const META = { partitions: 12, topicPrefix: '', schemaVersion: SHIPPED, oldestServices: 2 };
const config = readConfig({});

test('a process that fits its deployment may work on it', () => {
  assert.equal(checkMeta(config, META, SHIPPED), META);
  assert.equal(checkMeta(readConfig({ BELFRY_PARTITIONS: '12' }), META, SHIPPED), META);
});

test('a database that was never migrated, or by an older Belfry, is waited for: a migration mends it', () => {
  for (const meta of [undefined, { ...META, schemaVersion: SHIPPED - 1 }])
    assert.throws(() => checkMeta(config, meta, SHIPPED), {
      code: 'not_migrated',
      retryable: true,
      message: /run "belfry migrate"/,
    });
});

test('a database that a newer Belfry migrated is worked on as long as it serves this release', () => {
  const newer = { ...META, schemaVersion: SHIPPED + 3 };
  assert.equal(checkMeta(config, newer, SHIPPED), newer);
  assert.equal(checkMeta(config, { ...newer, oldestServices: SHIPPED }, SHIPPED).schemaVersion, SHIPPED + 3);
  assert.throws(() => checkMeta(config, { ...newer, oldestServices: SHIPPED + 1 }, SHIPPED), {
    code: 'schema_newer',
    retryable: false,
    message: /schema version 7, which serves services from version 5 on; this Belfry brings 4: start a newer release/,
  });
});

test('another number of partitions or another prefix is refused, by the name of its variable', () => {
  for (const [variable, value] of [
    ['BELFRY_PARTITIONS', '24'],
    ['BELFRY_TOPIC_PREFIX', 'other.'],
  ] as const) {
    assert.throws(() => checkMeta(readConfig({ [variable]: value }), META, SHIPPED), {
      code: 'config_mismatch',
      retryable: false,
      message: new RegExp(variable),
    });
  }
});
