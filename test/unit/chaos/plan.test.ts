import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { partitionOf } from '../../../services/core/murmur2.ts';
import { PARTITIONS } from '../../chaos/load.ts';
import { FAULT_KINDS, planOf, SEATS } from '../../chaos/plan.ts';
import { understood } from '../../checker/observe.ts';
import { commandOf, tenantOf } from '../../support/lives.ts';

const MINUTE_MS = 60_000;
const EPOCH = Date.UTC(2026, 0, 1);

describe('the plan of a chaos run', () => {
  it('is that of its seed', () => {
    assert.deepEqual(planOf(7, 3 * MINUTE_MS, EPOCH), planOf(7, 3 * MINUTE_MS, EPOCH));
    assert.notDeepEqual(planOf(7, 3 * MINUTE_MS, EPOCH).faults, planOf(8, 3 * MINUTE_MS, EPOCH).faults);
  });

  it('has every kind of fault in ten minutes, each over before the end and on a process that it can befall', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { faults } = planOf(seed, 10 * MINUTE_MS, EPOCH);
      assert.deepEqual(new Set(faults.map(({ kind }) => kind)), new Set(FAULT_KINDS), `seed ${seed}`);
      for (const { at, forMs, kind, seat } of faults) {
        assert.ok(at + forMs < 10 * MINUTE_MS);
        if (/(timer|executor|api)$/.test(kind)) assert.ok(kind.endsWith(SEATS[seat!]!.kind));
      }
    }
  });

  it('asks for what Belfry understands, and has a beat in every partition', () => {
    const { actions, beats } = planOf(1, 10 * MINUTE_MS, EPOCH);
    for (const action of actions) if (action.type !== 'replay') understood(commandOf(action, 'c'));
    const partitions = beats.map((jobId) => partitionOf(`${tenantOf(jobId)}/${jobId}`, PARTITIONS));
    assert.deepEqual(
      partitions,
      beats.map((_, partition) => partition),
    );
  });
});
