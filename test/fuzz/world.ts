/**
 * A real deployment with two tenants: `acme`, on whose behalf everything hostile is done, and `victim`, whose things carry a
 * secret word and must neither change nor be seen.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { webhookJobId } from '../../services/core/own-names.ts';
import { TestDeployment } from '../integration/support/deployment.ts';
import { allEnded, keepOpen } from '../support/opened.ts';
import { HttpApi } from '../integration/support/http-api.ts';
import type { Service } from '../integration/support/service.ts';
import type { Known } from './values.ts';

export const PARTITIONS = 3;

export class World {
  readonly belfry: TestDeployment;
  readonly api: HttpApi;
  /** Stands in everything of the victim's that could be told. */
  readonly secret: string;
  /** Names of things of both tenants. */
  readonly known: Known;
  private readonly services: readonly Service[];
  private readonly before: string;

  private constructor(parts: {
    belfry: TestDeployment;
    api: HttpApi;
    secret: string;
    known: Known;
    services: readonly Service[];
    before: string;
  }) {
    ({ belfry: this.belfry, api: this.api, secret: this.secret, known: this.known } = parts);
    ({ services: this.services, before: this.before } = parts);
  }

  static async create(): Promise<World> {
    await using opened = new AsyncDisposableStack();
    const created = TestDeployment.create({
      ...{ partitions: PARTITIONS, env: { BELFRY_WEBHOOK_KEY: Buffer.alloc(32).toString('base64') } },
    });
    const belfry = await keepOpen(opened, created, (made) => made.destroy());
    const key = await belfry.key(['admin'], 'acme');
    const quiet = { isQuiet: true };
    const services = await allEnded([
      belfry.api({ ...quiet, env: { BELFRY_API_RATE: '1000000' } }),
      belfry.timer(quiet),
      belfry.executor(quiet),
    ] as const);
    const secret = `secret-${randomBytes(8).toString('hex')}`;
    const known = await populate(belfry, secret);
    const api = await HttpApi.at(await services[0].port, key);
    const before = await victimState(belfry);
    opened.move();
    return new World({ belfry, api, secret, known, services, before });
  }

  /** Every process lives and is ready, and every line that it logged is one whole document without a payload in it. */
  async checkServices(): Promise<void> {
    for (const service of this.services) {
      assert.ok(service.running, `${service.name} ended:\n${service.lines.slice(-10).join('\n')}`);
      await service.ready();
      for (const line of service.lines) {
        const { level, msg, route } = parsed(line, service.name);
        assert.ok(
          level !== undefined && level < 50,
          `${service.name} logged an error (${msg ?? ''} ${route ?? ''}): ${line.slice(0, 1_000)}`,
        );
        assert.ok(!line.includes(this.secret), `${service.name} logged a payload: ${line.slice(0, 400)}`);
        assert.notEqual(msg, 'forged', 'a text of a request became a line of its own');
      }
    }
  }

  /** Nothing of the victim's changed. */
  async checkVictim(): Promise<void> {
    assert.equal(await victimState(this.belfry), this.before, "another tenant's state changed");
  }

  /** What only commands and requests of acme change; jobs that deliver for its webhooks come when there is something to deliver. */
  async acmeState(): Promise<string> {
    const [row] = await this.belfry.rows<{ state: string }>(
      `SELECT concat_ws(' ',
         (SELECT concat_ws(' ', count(*), sum(version), sum(hashtext(spec)), count(paused_at), count(*) FILTER (WHERE state = 'CANCELLED'))
          FROM jobs WHERE tenant = 'acme' AND NOT starts_with(job_id, $1)),
         (SELECT concat_ws(' ', count(*), count(revoked_at), count(expires_at)) FROM api_keys WHERE tenant = 'acme'),
         (SELECT count(*) FROM discards)) AS state`,
      [webhookJobId('')],
    );
    return row!.state;
  }

  close(): Promise<void> {
    return this.belfry.destroy();
  }
}

type Line = { level?: number; msg?: string; route?: string };

function parsed(line: string, name: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return assert.fail(`${name} logged what is no whole line: ${JSON.stringify(line.slice(0, 400))}`);
  }
}

async function populate(belfry: TestDeployment, secret: string): Promise<Known> {
  const job = { type: 'CUSTOM', handler: 'noop', payload: { secret }, labels: { secret } } as const;
  const later = { at: '2035-01-01T00:00:00Z' };
  await belfry.key(['admin'], 'victim');
  for (const tenant of ['acme', 'victim']) {
    const mine = tenant === 'victim' ? job : ({ type: 'CUSTOM', handler: 'noop' } as const);
    await belfry.client.schedule('known', { ...mine, schedule: later }, { tenant });
    await belfry.client.schedule(`of-${tenant}`, { ...mine, schedule: { cron: '0 0 1 1 *' } }, { tenant });
    const dead = { ...mine, handler: 'fails', retry: { maxRetries: 0 }, schedule: { in: '0s' } };
    await belfry.client.schedule('dead', dead, { tenant });
  }
  await belfry.untilRuns(2, 'FAILED');
  await belfry.client.pause(`nobody-${secret}`, { tenant: 'victim' }).catch(() => undefined);
  const runIds = [...belfry.distinct('FAILED').keys()];
  const keys = await belfry.apiKeys.list('victim');
  const jobIds = ['known', 'dead', 'of-acme', 'of-victim', 'fresh-1', 'fresh-2'];
  const ids = [...jobIds, ...runIds];
  return {
    ...{ jobId: jobIds, id: ids, runId: runIds, runIds, cursor: runIds, cause: ids },
    ...{
      tenant: ['acme', 'victim', 'default'],
      prefix: keys.map(({ prefix }) => prefix),
      place: ['0-0', '1-0', '2-0'],
    },
    ...{ text: ['known', 'secret'], label: ['secret=x', 'a=b'], name: ['user.signup'], event: ['user.signup'] },
  };
}

async function victimState(belfry: TestDeployment): Promise<string> {
  const rows = await Promise.all([
    belfry.rows(
      `SELECT job_id, version, state, spec, next_fire_at, paused_at FROM jobs WHERE tenant = 'victim' ORDER BY 1`,
    ),
    belfry.rows(`SELECT run_id, status, attempt FROM runs WHERE tenant = 'victim' ORDER BY 1`),
    belfry.rows(`SELECT prefix, revoked_at, expires_at, scopes FROM api_keys WHERE tenant = 'victim' ORDER BY 1`),
    belfry.rows(`SELECT d.run_id FROM discards d JOIN runs r USING (run_id) WHERE r.tenant = 'victim' ORDER BY 1`),
  ]);
  return JSON.stringify(rows);
}
