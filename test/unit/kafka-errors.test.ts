import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';

import '../../services/adapters/kafka/kafkajs.ts'; // before kafkajs itself, some modules of which it replaces

import kafkajs from 'kafkajs';

import { Denials } from '../../services/adapters/kafka/denials.ts';
import { classify } from '../../services/adapters/kafka/errors.ts';
import { requireAllAnswered, roundsOf } from '../../services/adapters/kafka/rounds.ts';
import { BelfryError } from '../../services/core/errors.ts';
import type { Clock } from '../../services/core/ports/clock.ts';
import { record } from '../conformance/broker-support.ts';
import { NO_LOG } from './cli/support.ts';

const protocolError = (type: string, message = type): Error =>
  new kafkajs.KafkaJSProtocolError(Object.assign(new Error(message), { type, code: 1, retriable: false }));
const wrapped = (cause: Error): Error =>
  new kafkajs.KafkaJSNumberOfRetriesExceeded(cause, { retryCount: 5, retryTime: 100 });

describe('the errors of kafkajs', () => {
  const table: [string, unknown, string, boolean][] = [
    ['a lost connection', new kafkajs.KafkaJSConnectionError('closed'), 'broker_unavailable', true],
    [
      'a coordinator that is not found',
      Reflect.construct(kafkajs.KafkaJSGroupCoordinatorNotFound, ['none']),
      'broker_unavailable',
      true,
    ],
    [
      'a leader that moved, after all retries',
      wrapped(protocolError('NOT_LEADER_FOR_PARTITION')),
      'broker_unavailable',
      true,
    ],
    ['a record that is too large', protocolError('MESSAGE_TOO_LARGE'), 'record_refused', false],
    ['a batch that is too large', protocolError('RECORD_LIST_TOO_LARGE'), 'record_refused', false],
    ['a record that is invalid', protocolError('INVALID_RECORD'), 'record_refused', false],
    ['a missing right, wrapped', wrapped(protocolError('TOPIC_AUTHORIZATION_FAILED')), 'broker_denied', true],
    ['a policy of the broker', protocolError('POLICY_VIOLATION'), 'broker_unavailable', true],
    ['an old epoch', protocolError('INVALID_PRODUCER_EPOCH'), 'producer_fenced', false],
    [
      'an old epoch by its newer number',
      protocolError('KAFKAJS_UNKNOWN_ERROR_CODE', 'Unknown error code 90'),
      'producer_fenced',
      false,
    ],
    ['a mistake', new TypeError('undefined is not a function'), 'broker_unavailable', true],
    ['a text', 'boom', 'broker_unavailable', true],
    ['nothing', undefined, 'broker_unavailable', true],
  ];
  for (const [what, thrown, code, retryable] of table) {
    it(`${what} is ${code}`, () => {
      const error = classify(thrown, { topic: 't' });
      assert.deepEqual([error.code, error.retryable, error.ids.topic], [code, retryable, 't']);
    });
  }
});

describe('a permission that is missing', () => {
  const ids = { topic: 'asked', group: 'g', transactionalId: 'tx' };
  const cases = [
    ['TOPIC_AUTHORIZATION_FAILED', { topic: 'asked' }, /topic asked: grant .* READ, WRITE and DESCRIBE on topic asked/],
    ['GROUP_AUTHORIZATION_FAILED', { group: 'g' }, /group g: grant .* READ and DESCRIBE on group g/],
    ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', { transactionalId: 'tx' }, /id tx: grant .* WRITE and DESCRIBE on tran/],
    ['CLUSTER_AUTHORIZATION_FAILED', {}, /cluster kafka-cluster: grant .* IDEMPOTENT_WRITE/],
  ] as const;
  for (const [type, named, message] of cases) {
    it(`(${type}) is worth trying again, and says what to grant on what`, () => {
      const error = classify(wrapped(protocolError(type)), ids);
      assert.deepEqual([error.code, error.retryable, error.ids], ['broker_denied', true, named]);
      assert.match(error.message, message);
    });
  }

  it('is of the topic that Kafka names, not of those that were asked for along with it', () => {
    const error = Object.assign(protocolError('TOPIC_AUTHORIZATION_FAILED'), { topic: 'named' });
    assert.equal(classify(wrapped(error), ids).ids.topic, 'named');
  });

  it('is told as long as it comes again, and logged once', () => {
    const clock = { now: () => now } as Clock;
    let now = 0;
    const logged: string[] = [];
    const denials = new Denials(clock, { ...NO_LOG, error: (_fields, message) => logged.push(message) });
    for (; now < 60_000; now += 3_000) {
      denials.note(classify(protocolError('TOPIC_AUTHORIZATION_FAILED'), ids));
      denials.note(classify(protocolError('MESSAGE_TOO_LARGE'), ids));
      assert.deepEqual(denials.current(), [{ resource: 'topic', name: 'asked' }]);
    }
    assert.equal(logged.length, 1);
    now += 15_000;
    assert.deepEqual(denials.current(), []);
  });
});

describe('what kafkajs makes of an answer', () => {
  const parse = async (module: string, answer: object): Promise<{ type?: string; topic?: string }> => {
    const { parse } = createRequire(import.meta.url)(`kafkajs/src/protocol/requests/${module}/response`) as {
      parse: (answer: object) => Promise<unknown>;
    };
    return parse(answer).then(
      () => ({}),
      (error: object) => error,
    );
  };
  const partitions = (errorCode: number): object[] => [
    { partition: 0, errorCode: 0 },
    { partition: 1, errorCode },
  ];

  it('names the topic that was denied, in every version', async () => {
    for (const version of ['v3', 'v5', 'v7']) {
      const topics = [
        { topicName: 'fine', partitions: partitions(0) },
        { topicName: 'denied', partitions: partitions(29) },
      ];
      const { type, topic } = await parse(`produce/${version}`, { topics });
      assert.deepEqual([type, topic], ['TOPIC_AUTHORIZATION_FAILED', 'denied'], version);
    }
    const topicMetadata = [
      { topicErrorCode: 0, topic: 'fine', partitionMetadata: [] },
      { topicErrorCode: 29, topic: 'denied', partitionMetadata: [] },
    ];
    for (const version of ['v1', 'v6']) {
      assert.equal((await parse(`metadata/${version}`, { topicMetadata })).topic, 'denied');
    }
    const responses = [{ topicName: 'denied', partitions: partitions(29) }];
    assert.equal((await parse('fetch/v11', { responses })).topic, 'denied');
  });

  it('of a transaction is the topic that was denied, not those that were not attempted because of it', async () => {
    const errors = [
      { topic: 'beside', partitionErrors: partitions(55) },
      { topic: 'denied', partitionErrors: partitions(29) },
    ];
    for (const version of ['v0', 'v1']) {
      const { type, topic } = await parse(`addPartitionsToTxn/${version}`, { errors });
      assert.deepEqual([type, topic], ['TOPIC_AUTHORIZATION_FAILED', 'denied'], version);
    }
  });
});

describe('records on their way', () => {
  it('go in rounds of a thousand and of less than a megabyte for each partition, in order', () => {
    const many = Array.from({ length: 2_500 }, (_, index) => record('t', index % 2, String(index)));
    const rounds = roundsOf(many);
    assert.deepEqual(
      rounds.map(({ length }) => length),
      [2_000, 500],
    );
    assert.deepEqual(
      rounds.flat().filter(({ partition }) => partition === 1),
      many.filter(({ partition }) => partition === 1),
    );
    const large = { ...record('t', 0, 'large'), value: Buffer.alloc(500_000) };
    assert.deepEqual(
      roundsOf([large, large, large]).map(({ length }) => length),
      [1, 1, 1],
    );
  });

  it('are missed when a partition was not answered', () => {
    const sent = [record('t', 0, 'a'), record('t', 1, 'b')];
    const answer = (partition: number) => ({ topicName: 't', partition, errorCode: 0 });
    requireAllAnswered(sent, [answer(0), answer(1)]);
    assert.throws(
      () => requireAllAnswered(sent, [answer(0)]),
      (error) => error instanceof BelfryError && error.code === 'broker_unavailable' && error.ids.partition === 1,
    );
  });
});
