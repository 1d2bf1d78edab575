import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KEY_BYTES, makeKey, readKey } from '../../../services/core/api-key.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { executorGroup, queuesOf } from '../../../services/core/topics.ts';
import { runBulk } from '../../../services/api/bulk.ts';
import { pointerOf, problemOf, RequestError } from '../../../services/api/problem.ts';
import { jobsQuery } from '../../../services/api/query.ts';
import { positionText, reaches, readPosition } from '../../../services/api/position.ts';

describe('problems', () => {
  it('point into the body, also where a timer named the field of its command', () => {
    assert.equal(pointerOf(['labels', 'a/b~c', 2]), '#/labels/a~1b~0c/2');
    const refused = problemOf(new BelfryError('invalid', 'no queue', { field: 'job.schedule.exclude[2]' }));
    assert.deepEqual(refused.errors, [{ pointer: '#/schedule/exclude/2', detail: 'no queue' }]);
    assert.deepEqual([refused.status, refused.type], [400, 'urn:belfry:problem:invalid']);
  });

  it('tell nothing of what failed inside', () => {
    for (const error of [new Error('password=secret'), new BelfryError('bug', 'password=secret')]) {
      const told = problemOf(error);
      assert.equal(told.status, 500);
      assert.doesNotMatch(JSON.stringify(told), /secret/);
    }
    assert.equal(problemOf(new BelfryError('store_unavailable', 'away')).status, 503);
    assert.equal(
      problemOf(Object.assign(new Error('too long'), { statusCode: 413 })).type,
      'urn:belfry:problem:too_large',
    );
    assert.equal(problemOf(new RequestError('forbidden', 'no')).status, 403);
  });
});

describe('positions', () => {
  it('are read back as they were written, and nothing else is read', () => {
    const offsets = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });
    const positions = fc.dictionary(fc.integer({ min: 0, max: 1023 }).map(String), offsets, { minKeys: 1 });
    fc.assert(
      fc.property(positions, (fields) => {
        const position = new Map(Object.entries(fields).map(([partition, offset]) => [Number(partition), offset]));
        assert.deepEqual(readPosition(positionText(position)), position);
      }),
    );
    for (const text of ['', 'x', '1-', '1-a.', '-', '1-A', '12345-a', `1-${'z'.repeat(20)}`]) {
      assert.equal(readPosition(text), undefined, text);
    }
  });

  it('reach another when no partition is behind it', () => {
    assert.equal(reaches(new Map([[0, 5n]]), new Map([[0, 5n]])), true);
    assert.equal(reaches(new Map([[0, 5n]]), new Map([[0, 5n], [1, 1n]])), false); // prettier-ignore
    assert.equal(reaches(new Map(), new Map([[1, 0n]])), true);
  });
});

describe('API keys', () => {
  it('are read back by their prefix; what is no key is none', () => {
    const { text, prefix, hash } = makeKey(Buffer.alloc(KEY_BYTES, 9));
    assert.match(text, /^bfy_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    assert.equal(readKey(text)?.prefix, prefix);
    assert.ok(!text.includes(hash.toString('hex')) && hash.length === 32);
    for (const wrong of ['', text.slice(1), `${text}x`, text.toUpperCase()]) assert.equal(readKey(wrong), undefined);
  });
});

describe('bulk actions', () => {
  const find = async (limit: number) => [1, 2, 3].slice(0, limit);

  it('do nothing unless told so, and nothing when more match than expected', async () => {
    const acted: number[] = [];
    const act = async (item: number): Promise<void> => void acted.push(item);
    const look = await runBulk({ dryRun: true }, find, String, act);
    assert.deepEqual([look.matched, look.done, look.sample], [3, 0, ['1', '2', '3']]);
    await assert.rejects(runBulk({ dryRun: false }, find, String, act), { code: 'invalid' });
    await assert.rejects(runBulk({ dryRun: false, expected: 2 }, find, String, act), { code: 'conflict' });
    assert.deepEqual(acted, []);
  });

  it('go on after one that fails, and tell which it was', async () => {
    const act = async (item: number): Promise<void> => {
      if (item === 2) throw new BelfryError('conflict', 'not now');
    };
    const { done, failed } = await runBulk({ dryRun: false, expected: 3 }, find, String, act);
    assert.deepEqual([done, failed.map(({ id, problem }) => [id, problem.status])], [2, [['2', 409]]]);
  });
});

describe('labels in a query', () => {
  it('are refused where one has two values, of which one would be swallowed', () => {
    const labels = (label: unknown) => jobsQuery.safeParse({ label });
    const { error } = labels(['a=b', 'c=d', 'a=c']);
    assert.match(error?.issues[0]?.message ?? '', /asks for a twice, as "b" and as "c"/);
    assert.deepEqual(labels(['a=b', 'c=', 'a=b']).data?.filter.labels, { a: 'b', c: '' });
    assert.deepEqual(labels('a=b=c').data?.filter.labels, { a: 'b=c' });
  });
});

describe('queues', () => {
  it('are told by their topics', () => {
    const topics = ['p.job.due.high', 'p.job.due.low', 'p.job.due.reports.high', 'p.job.dlq', 'job.due.other.high'];
    assert.deepEqual(queuesOf('p.', topics), ['default', 'reports']);
    assert.equal(executorGroup('p.', 'reports', 'high'), 'p.belfry-executor-reports-high');
  });
});
