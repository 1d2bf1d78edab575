/** What every store of webhooks does. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import type { WebhookFields, Webhooks } from '../../services/core/ports/webhooks.ts';

const FIELDS: WebhookFields = {
  ...{ url: 'https://example.com/hook', statuses: ['FAILED', 'SKIPPED'], jobs: ['a', 'b'], handlers: ['greet'] },
  ...{ labels: { team: 'billing', 'a"b': "it's\\" }, disabled: false },
};
const MOST = 3;
const HOUR_MS = 3_600_000;

/** @param open a store on which nobody else works */
export function webhooksConformance(name: string, open: () => Promise<Webhooks>): void {
  void describe(`webhooks: ${name}`, () => {
    let webhooks: Webhooks;
    let tenant: string;
    beforeEach(async () => {
      webhooks = await open();
      tenant = `t-${randomUUID()}`;
    });
    const create = (id: string, more: object = {}) =>
      webhooks.create({ ...FIELDS, tenant, id, secret: 'sealed', ...more }, MOST);

    void it('keeps what is created, and tells it without its secret', async () => {
      const { createdAt, updatedAt, ...made } = (await create('b'))!;
      assert.deepEqual(made, { ...FIELDS, tenant, id: 'b' });
      assert.ok(createdAt > 0 && updatedAt === createdAt);
      await create('a', { labels: {}, jobs: [], handlers: [] });
      assert.deepEqual((await webhooks.find(tenant, 'b'))?.labels, FIELDS.labels);
      assert.deepEqual(
        (await webhooks.list(tenant)).map(({ id }) => id),
        ['a', 'b'],
      );
      assert.deepEqual(await webhooks.list('nobody'), []);
      assert.ok(!JSON.stringify(await webhooks.list(tenant)).includes('sealed'));
    });

    void it('creates neither one that is there nor more than a tenant may have', async () => {
      for (const id of ['a', 'b', 'c']) assert.ok(await create(id));
      assert.equal(await create('d'), undefined);
      await webhooks.remove(tenant, 'c');
      assert.equal(await create('a', { url: 'https://other' }), undefined);
      assert.equal((await webhooks.find(tenant, 'a'))?.url, FIELDS.url);
      assert.ok(await webhooks.create({ ...FIELDS, tenant: `${tenant}-2`, id: 'a', secret: 'x' }, MOST));
    });

    void it('replaces all fields, and leaves the secret and other tenants alone', async () => {
      await create('a');
      const fields: WebhookFields = { ...FIELDS, url: 'https://new', statuses: ['COMPLETED'], jobs: [], labels: {} };
      const { createdAt: _, updatedAt: __, ...replaced } = (await webhooks.replace(tenant, 'a', fields))!;
      assert.deepEqual(replaced, { ...fields, tenant, id: 'a' });
      const target = { url: 'https://new', disabled: false, secrets: ['sealed'] };
      assert.deepEqual(await webhooks.target(tenant, 'a'), target);
      assert.equal(await webhooks.replace('nobody', 'a', fields), undefined);
    });

    void it('signs with both secrets for the grace of a rotation, the new one first', async () => {
      await create('a');
      assert.ok(await webhooks.rotate(tenant, 'a', 'second', HOUR_MS));
      assert.deepEqual((await webhooks.target(tenant, 'a'))?.secrets, ['second', 'sealed']);
      assert.ok(await webhooks.rotate(tenant, 'a', 'third', 0));
      assert.deepEqual((await webhooks.target(tenant, 'a'))?.secrets, ['third']);
      assert.equal(await webhooks.rotate(tenant, 'b', 'x', 0), undefined);
    });

    void it('has those listen that are there and not disabled', async () => {
      await create('a');
      await create('b', { disabled: true });
      const own = async () => (await webhooks.listening()).filter((each) => each.tenant === tenant);
      const { url: _, disabled: __, ...filter } = FIELDS;
      assert.deepEqual(await own(), [{ tenant, id: 'a', ...filter }]);
      assert.equal((await webhooks.target(tenant, 'b'))?.disabled, true);
      assert.equal(await webhooks.remove(tenant, 'a'), true);
      assert.equal(await webhooks.remove(tenant, 'a'), false);
      assert.deepEqual(await own(), []);
      assert.equal(await webhooks.target(tenant, 'a'), undefined);
    });
  });
}
