/**
 * Records on job.commands, as any Kafka client may write them: commands as their schemas have them, with hostile values here and
 * there, and bytes that are no command at all. What the core refuses must come back on job.commands.rejected, byte for byte, and
 * change nothing; behind every batch a plain command is answered, so no partition stands still.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import fc from 'fast-check';
import { z } from 'zod';
import { jsonCodec } from '../../services/adapters/codec/json-codec.ts';
import { partitionOf } from '../../services/core/murmur2.ts';
import { isOwnName, webhookOfJob } from '../../services/core/own-names.ts';
import type { OutgoingRecord } from '../../services/core/records.ts';
import { commandSchemas, parseCommand } from '../../services/core/spec/parse-command.ts';
import { Values, type JsonSchema } from './values.ts';
import { PARTITIONS, type World } from './world.ts';

const BATCH = 100;
const codec = jsonCodec();

export type RecordFigures = { records: number; refused: number };

/** @param seed of all records @param count how many @throws AssertionError naming what broke a promise */
export async function fuzzRecords(world: World, seed: number, count: number): Promise<RecordFigures> {
  const { belfry } = world;
  const made = fc.sample(recordArbitrary(world), { seed, numRuns: count });
  const before = await jobKeys(world);
  const refusals = await Refusals.watch(world);
  const producer = await belfry.broker.producer();
  let refused = 0;
  for (let at = 0; at < made.length; at += BATCH) {
    const batch = made.slice(at, at + BATCH);
    await producer.send(batch.map((each) => ({ ...each, topic: belfry.topics.commands })));
    await everyPartitionAnswers(world, at);
    for (const { value } of batch) {
      if (!(await isRefused(world, value))) continue;
      refused += 1;
      refusals.expect(value);
    }
  }
  await refusals.settled();
  await producer.close();
  await onlyValidJobs(
    world,
    before,
    made.map(({ value }) => value),
  );
  return { records: made.length, refused };
}

type Made = Omit<OutgoingRecord, 'topic'>;

function recordArbitrary({ known }: World): fc.Arbitrary<Made> {
  const commands = Object.values(commandSchemas).map((schema) => {
    const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    return new Values(json, { ...known, tenant: ['acme'] }).of(json);
  });
  const bytes = fc.oneof(
    { weight: 20, arbitrary: fc.oneof(...commands).map((command) => Buffer.from(JSON.stringify(command) ?? '')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((each) => Buffer.from(each)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        Buffer.alloc(0),
        Buffer.from([0, 0, 0, 0, 1, 2]),
        Buffer.from('{"type":'),
        Buffer.from('[]'.repeat(2_000)),
        Buffer.from(`${'['.repeat(50_000)}`),
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom(null, Buffer.alloc(600 * 1024, 0x20)) },
  );
  const headers = fc.dictionary(
    fc.constantFrom('traceparent', 'ce_id', 'belfry_error_code', 'content-type'),
    fc.string({ unit: 'binary', maxLength: 80 }),
    { maxKeys: 2 },
  );
  return fc
    .record({
      value: bytes,
      headers,
      stray: fc.integer({ min: 0, max: 19 }),
      partition: fc.nat({ max: PARTITIONS - 1 }),
    })
    .map(({ value, headers: some, stray, partition }) => {
      const key = keyOf(value, stray);
      const own = key === null ? partition : partitionOf(key.toString(), PARTITIONS);
      return { value, headers: some, key, partition: stray === 1 ? partition : own };
    });
}

/** The key that the command should have; now and then none, or another one. */
function keyOf(value: Buffer | null, stray: number): Buffer | null {
  if (stray === 0) return null;
  if (stray === 2) return Buffer.from('acme/another');
  if (stray === 3) return Buffer.from([0xff, 0x00, 0x27]);
  try {
    const { tenant, jobId } = JSON.parse(String(value)) as { tenant?: unknown; jobId?: unknown };
    return Buffer.from(`${textOf(tenant ?? 'default')}/${textOf(jobId)}`);
  } catch {
    return null; // no command: any key will do
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The oracle: what the core says of these bytes, without a timer, a store or a broker. */
async function isRefused({ belfry }: World, value: Buffer | null): Promise<boolean> {
  const decoded = await codec.decodeCommand(value).catch(() => ({ rejection: true }));
  if ('rejection' in decoded) return true;
  const options = { allowInlineSecrets: false, topicPrefix: belfry.env.BELFRY_TOPIC_PREFIX ?? '', allowTopics: null };
  return 'rejection' in parseCommand(decoded.value, options);
}

/** A command of each partition is answered: all before it was read. */
async function everyPartitionAnswers({ belfry }: World, at: number): Promise<void> {
  const jobs = Array.from({ length: PARTITIONS }, (_, partition) => {
    for (let n = 0; ; n += 1) if (partitionOf(`default/probe-${n}`, PARTITIONS) === partition) return `probe-${n}`;
  });
  const job = { type: 'CUSTOM', handler: 'noop', schedule: { at: '2035-01-01T00:00:00Z' } } as const;
  const answers = jobs.map((jobId) =>
    belfry.client.schedule(jobId, job, { commandId: `probe-${at}`, timeoutMs: 60_000 }),
  );
  for (const { outcome } of await Promise.all(answers))
    assert.ok(['applied', 'unchanged', 'duplicate'].includes(outcome), outcome);
}

/**
 * No job stands there that no valid command names, but for those that deliver for the webhooks that requests made: they come
 * when the first outcome does, and no command from outside can name them.
 */
async function onlyValidJobs(
  world: World,
  before: ReadonlySet<string>,
  values: readonly (Buffer | null)[],
): Promise<void> {
  const named = new Set<string>();
  for (const value of values) {
    if (await isRefused(world, value)) continue;
    const { tenant = 'default', jobId } = JSON.parse(String(value)) as { tenant?: string | null; jobId?: string };
    if (jobId === undefined) continue;
    assert.ok(!isOwnName(jobId), `a command that names ${jobId} is taken for valid`);
    named.add(`${tenant ?? 'default'}/${jobId}`);
  }
  for (const key of await jobKeys(world)) {
    const isProbe = key.startsWith('default/probe-');
    const isDelivery = webhookOfJob(key.slice(key.indexOf('/') + 1)) !== undefined;
    assert.ok(
      isProbe || isDelivery || before.has(key) || named.has(key),
      `the job ${key} was made by no valid command`,
    );
  }
}

async function jobKeys({ belfry }: World): Promise<Set<string>> {
  const rows = await belfry.rows<{ key: string }>(`SELECT tenant || '/' || job_id AS key FROM jobs`);
  return new Set(rows.map(({ key }) => key));
}

/** What comes back on job.commands.rejected, by its bytes. */
class Refusals {
  private readonly missing = new Map<string, number>();
  private waiting = Promise.withResolvers<void>();

  static async watch({ belfry }: World): Promise<Refusals> {
    const refusals = new Refusals();
    await belfry.broker.tail({
      topics: [belfry.topics.rejected],
      from: 'end',
      isolation: 'read_uncommitted',
      onRecord: ({ value, headers }) => {
        assert.match(headers.belfry_error_code ?? '', /^[a-z_]+$/);
        refusals.count(digest(value), -1);
      },
    });
    return refusals;
  }

  expect(value: Buffer | null): void {
    this.count(digest(value), 1);
  }

  /** Resolves when everything that was expected has come. */
  async settled(): Promise<void> {
    const late = setTimeout(
      () => this.waiting.reject(new Error(`${this.owed()} refused records never came back`)),
      60_000,
    );
    if (this.owed() > 0) await this.waiting.promise;
    clearTimeout(late);
  }

  private owed(): number {
    return [...this.missing.values()].filter((count) => count > 0).length;
  }

  private count(key: string, change: number): void {
    this.missing.set(key, (this.missing.get(key) ?? 0) + change);
    if (this.owed() === 0) this.waiting.resolve();
  }
}

const digest = (value: Buffer | null): string => (value === null ? 'none' : hash('sha256', value, 'hex'));
