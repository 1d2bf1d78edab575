import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Command } from '../../../services/core/command.ts';
import { MAX_COMMAND_BYTES, decodeJsonCommand } from '../../../services/core/spec/decode-command.ts';
import { headOf, parseCommand, parseJobSpec } from '../../../services/core/spec/parse-command.ts';
import { OPTIONS, accepted, jobWith, refused, specOf } from './support.ts';

const RUN_ID = '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55';
const head = { commandId: 'c-1', jobId: 'invoice-42' };
const full = { ...head, tenant: 'default', ack: false };

const parse = (value: unknown): Command => accepted(parseCommand(value, OPTIONS));
const refusal = (value: unknown) => refused(parseCommand(value, OPTIONS));

describe('a valid command', () => {
  it('schedules a job, with every default filled in', () => {
    assert.deepEqual(parse({ type: 'schedule', ...head, job: jobWith() }), {
      type: 'schedule',
      ...full,
      ifExists: 'replace',
      ifVersion: null,
      job: specOf(jobWith()),
    });
  });

  it('keeps all that is given', () => {
    const command = parse({
      type: 'schedule',
      ...head,
      tenant: 't2',
      ack: true,
      ifExists: 'keep',
      ifVersion: 3,
      job: jobWith(),
    });
    assert.deepEqual(command, {
      type: 'schedule',
      ...head,
      tenant: 't2',
      ack: true,
      ifExists: 'keep',
      ifVersion: 3,
      job: specOf(jobWith()),
    });
  });

  for (const type of ['cancel', 'pause', 'resume'] as const) {
    it(`may be ${type}, with null for what other commands have`, () => {
      assert.deepEqual(parse({ type, ...head, ack: null, job: null, payload: null, runId: null }), { type, ...full });
    });
  }

  it('triggers with the job’s own payload, with another, or with null', () => {
    const trigger = { type: 'trigger', ...head } as const;
    const own = { ...full, type: 'trigger', hasPayload: false, payload: null, overlap: null };
    assert.deepEqual(parse(trigger), own);
    assert.deepEqual(parse({ ...trigger, overlap: 'allow' }), { ...own, overlap: 'allow' });
    assert.deepEqual(parse({ ...trigger, payload: { a: null } }), { ...own, hasPayload: true, payload: { a: null } });
    assert.deepEqual(parse({ ...trigger, payload: null }), { ...own, hasPayload: true, payload: null });
  });

  it('emits an event, whose id is that of the command unless it is given', () => {
    const { jobId: _jobId, ...place } = full;
    const emit = { type: 'emit', commandId: head.commandId, event: 'user.signup' };
    const whole = { ...place, type: 'emit', jobId: 'user.signup', eventId: head.commandId, payload: null };
    assert.deepEqual(parse(emit), whole);
    const given = { eventId: 'e-1', payload: { plan: null } };
    assert.deepEqual(parse({ ...emit, ...given, jobId: 'user.signup' }), { ...whole, ...given });
  });

  it('backfills one after the other, 1,000 at the most, unless it says otherwise', () => {
    const backfill = { type: 'backfill', ...head, from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' };
    const span = { from: Date.UTC(2026, 0, 1), to: Date.UTC(2026, 0, 2) };
    const whole = { ...full, type: 'backfill', ...span, dryRun: false, overlap: 'buffer_all', limit: 1_000 };
    assert.deepEqual(parse(backfill), whole);
    const given = { dryRun: true, overlap: 'allow', limit: 5 };
    assert.deepEqual(parse({ ...backfill, ...given }), { ...whole, ...given });
  });

  it('replays a dead run', () => {
    const replay = { type: 'replay', ...full, runId: RUN_ID, force: false };
    assert.deepEqual(parse({ type: 'replay', ...head, runId: RUN_ID }), replay);
    assert.deepEqual(parse({ type: 'replay', ...head, runId: RUN_ID.toUpperCase(), force: true }), {
      ...replay,
      force: true,
    });
  });
});

const FROM = '2026-01-01T00:00:00Z';

describe('an invalid command', () => {
  for (const [what, value, field, message] of [
    ['null', null, undefined, /^a command must be an object$/],
    ['a list', [], undefined, /must be an object/],
    ['text', 'schedule', undefined, /must be an object/],
    ['no type', head, 'type', /type is missing; it must be schedule, cancel/],
    ['an unknown type', { type: 'delete', ...head }, 'type', /not "delete"/],
    ['an emit without an event', { type: 'emit', commandId: 'c' }, 'event', /event is missing/],
    ['an emit of no name', { type: 'emit', commandId: 'c', event: 'a/b' }, 'event', /1 to 200 letters/],
    ['an emit for a job', { type: 'emit', ...head, event: 'x' }, 'jobId', /is not the event's name; leave it out/],
    ['a backfill without a time', { type: 'backfill', ...head, from: FROM }, 'to', /to is missing/],
    ['a large backfill', { type: 'backfill', ...head, from: FROM, to: FROM, limit: 1_001 }, 'limit', /1 to 1000/],
    ['no commandId', { type: 'cancel', jobId: 'a' }, 'commandId', /commandId is missing/],
    ['a null commandId', { type: 'cancel', jobId: 'a', commandId: null }, 'commandId', /commandId is missing/],
    ['an empty commandId', { type: 'cancel', ...head, commandId: '' }, 'commandId', /1 to 128 characters/],
    ['a long commandId', { type: 'cancel', ...head, commandId: 'x'.repeat(129) }, 'commandId', /1 to 128 characters/],
    ['a commandId with a NUL', { type: 'cancel', ...head, commandId: 'a\0' }, 'commandId', /control characters/],
    [
      'a commandId with half a character',
      { type: 'cancel', ...head, commandId: '\ud800' },
      'commandId',
      /must be text/,
    ],
    ['a numeric commandId', { type: 'cancel', ...head, commandId: 7 }, 'commandId', /must be text.*not 7/],
    ['no jobId', { type: 'cancel', commandId: 'c' }, 'jobId', /jobId is missing/],
    ['a jobId with a slash', { type: 'cancel', ...head, jobId: 'a/b' }, 'jobId', /not "a\/b"/],
    [
      'a jobId that begins with a dot',
      { type: 'cancel', ...head, jobId: '.a' },
      'jobId',
      /beginning with a letter or digit/,
    ],
    ['a long jobId', { type: 'cancel', ...head, jobId: 'x'.repeat(201) }, 'jobId', /1 to 200/],
    ['a tenant in capitals', { type: 'cancel', ...head, tenant: 'Acme' }, 'tenant', /lower-case/],
    ['a textual ack', { type: 'cancel', ...head, ack: 'yes' }, 'ack', /true or false, not "yes"/],
    ['a field of another command', { type: 'cancel', ...head, job: {} }, 'job', /not a field of a cancel command/],
    [
      '__proto__',
      JSON.parse('{"type":"cancel","commandId":"c","jobId":"j","__proto__":{}}'),
      '__proto__',
      /not a field/,
    ],
    ['no job', { type: 'schedule', ...head }, 'job', /job is missing/],
    [
      'a bad ifExists',
      { type: 'schedule', ...head, ifExists: 'update', job: jobWith() },
      'ifExists',
      /replace, keep or reject/,
    ],
    ['ifVersion 0', { type: 'schedule', ...head, ifVersion: 0, job: jobWith() }, 'ifVersion', /from 1 up, not 0/],
    [
      'a bad job',
      { type: 'schedule', ...head, job: jobWith({ schedule: { croon: '' } }) },
      'job.schedule.croon',
      /^job\.schedule\.croon is not a field/,
    ],
    [
      'a bad payload',
      { type: 'schedule', ...head, job: jobWith({ payload: 'x'.repeat(300_000) }) },
      'job.payload',
      /^job\.payload has 300002 bytes/,
    ],
    [
      'a bad trigger payload',
      { type: 'trigger', ...head, payload: 'x'.repeat(300_000) },
      'payload',
      /^payload has 300002 bytes/,
    ],
    ['a bad overlap', { type: 'trigger', ...head, overlap: 'no' }, 'overlap', /must be allow/],
    ['no runId', { type: 'replay', ...head }, 'runId', /runId is missing/],
    ['a bad runId', { type: 'replay', ...head, runId: '1' }, 'runId', /must be a run id.*not "1"/],
  ] as [string, unknown, string | undefined, RegExp][]) {
    it(`is refused for ${what}`, () => {
      const rejection = refusal(value);
      assert.equal(rejection.field, field);
      assert.match(rejection.message, message);
    });
  }

  it('is refused, not thrown, whatever JSON comes', () => {
    const words = [
      'type',
      'schedule',
      'commandId',
      'jobId',
      'job',
      'payload',
      'labels',
      'cron',
      'at',
      '__proto__',
      'constructor',
      'headers',
      'url',
      '*/5 * * * *',
      'HTTP_REQUEST',
      '5m',
    ];
    const leaf = fc.oneof(fc.constantFrom(...words), fc.jsonValue({ maxDepth: 2 }));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('tree')),
        fc.dictionary(fc.oneof(fc.constantFrom(...words), fc.string()), tie('tree')),
      ),
    }));
    const seed = fc.record(
      {
        type: fc.constantFrom('schedule', 'cancel', 'trigger', 'replay', 'emit'),
        commandId: leaf,
        jobId: fc.constant('j'),
        job: tree,
        payload: tree,
      },
      { requiredKeys: ['type'] },
    );
    fc.assert(
      fc.property(fc.oneof(tree, seed), (value) => {
        const result = parseCommand(value, OPTIONS);
        parseJobSpec(value, OPTIONS);
        headOf(value);
        assert.ok('rejection' in result ? result.rejection.message.length > 0 : result.commandId.length > 0);
        assert.equal(({} as Record<string, unknown>).type, undefined);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused, not thrown, when it is a valid one with any one value replaced', () => {
    const valid = () => ({
      type: 'schedule',
      ...head,
      job: {
        type: 'HTTP_REQUEST',
        payload: { url: 'http://x/', headers: { a: { secret: 's' } }, expectStatus: ['2xx'] },
        schedule: { cron: '0 9 * * *', timezone: 'UTC', exclude: ['2026-12-25'], startAt: '2026-01-01T00:00:00Z' },
        retry: { maxRetries: 1 },
        labels: { a: 'b' },
      },
    });
    const paths = [
      'type',
      'jobId',
      'job',
      'job.type',
      'job.payload',
      'job.payload.url',
      'job.payload.headers',
      'job.payload.headers.a',
      'job.payload.expectStatus',
      'job.schedule',
      'job.schedule.cron',
      'job.schedule.timezone',
      'job.schedule.exclude',
      'job.schedule.startAt',
      'job.retry',
      'job.retry.maxRetries',
      'job.labels',
      'job.labels.a',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' })), (path, value) => {
        const command = valid();
        const keys = path.split('.');
        const last = keys.pop()!;
        const owner = keys.reduce<Record<string, unknown>>(
          (object, key) => object[key] as Record<string, unknown>,
          command,
        );
        owner[last] = value;
        const result = parseCommand(command, OPTIONS);
        if ('rejection' in result) assert.ok(result.rejection.message.length < 1_000);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the head of an invalid command', () => {
  it('is what can be told of it', () => {
    assert.deepEqual(headOf({ type: 'nonsense', ...head, tenant: 't', ack: true }), {
      ...head,
      tenant: 't',
      ack: true,
    });
    assert.deepEqual(headOf({ jobId: 'j', ack: null }), { tenant: 'default', jobId: 'j' });
    assert.deepEqual(headOf({ commandId: 'a\n', jobId: 'a/b', tenant: 'T', ack: 'yes' }), {});
    for (const value of [null, 'x', 3, []]) assert.deepEqual(headOf(value), {});
  });
});

describe('the bytes of a command', () => {
  const refusalOfBytes = (bytes: Buffer | null) => refused(decodeJsonCommand(bytes));

  it('are JSON', () => assert.deepEqual(decodeJsonCommand(Buffer.from('{"a":"é"}')), { value: { a: 'é' } }));

  it('are unreadable when they are none, no UTF-8 or no JSON', () => {
    for (const bytes of [
      null,
      Buffer.alloc(0),
      Buffer.from([0x7b, 0xff, 0x7d]),
      Buffer.from('{'),
      Buffer.from([0, 0, 0, 0, 1]),
    ]) {
      assert.equal(refusalOfBytes(bytes).code, 'unreadable');
    }
    assert.match(refusalOfBytes(null).message, /empty/);
    assert.match(refusalOfBytes(Buffer.from([0xff])).message, /UTF-8/);
    assert.match(refusalOfBytes(Buffer.from('{')).message, /not JSON/);
  });

  it('are at most 512 KiB', () => {
    const padded = (size: number) => Buffer.from('{}'.padEnd(size));
    assert.deepEqual(decodeJsonCommand(padded(MAX_COMMAND_BYTES)), { value: {} });
    assert.equal(refusalOfBytes(padded(MAX_COMMAND_BYTES + 1)).code, 'too_large');
  });

  it('may be nested as deeply as they like', () => {
    const decoded = decodeJsonCommand(Buffer.from('{"a":'.repeat(80_000) + '1' + '}'.repeat(80_000)));
    assert.ok('value' in decoded);
    assert.equal(refusal(decoded.value).code, 'invalid');
  });
});
