import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import kafkajs from 'kafkajs';

import { classify } from '../../services/adapters/kafka/errors.ts';
import { requireAllAnswered, roundsOf } from '../../services/adapters/kafka/rounds.ts';
import { BelfryError } from '../../services/core/errors.ts';
import { record } from '../conformance/broker-support.ts';

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
    ['a missing right, wrapped', wrapped(protocolError('TOPIC_AUTHORIZATION_FAILED')), 'record_refused', false],
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
