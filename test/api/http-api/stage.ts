import assert from 'node:assert/strict';
import { TestDeployment } from '../../integration/support/deployment.ts';
import { HttpApi, type Answer, type Asked, type Json } from '../../integration/support/http-api.ts';
import type { Service } from '../../integration/support/service.ts';

export const greet = (schedule: object, more: object = {}) => ({ type: 'CUSTOM', handler: 'noop', schedule, ...more });
export const LATER = { every: '1h' };

/** What all tests of the HTTP API share: one deployment, and a key that may do everything. */
export class ApiStage {
  belfry!: TestDeployment;
  service!: Service;
  api!: HttpApi;
  key!: string;

  async up(): Promise<void> {
    this.belfry = await TestDeployment.create({ env: { BELFRY_WEBHOOK_KEY: Buffer.alloc(32).toString('base64') } });
    this.key = await this.belfry.key(['admin']);
    [this.service] = await Promise.all([this.belfry.api(), this.belfry.timer(), this.belfry.executor()]);
    this.api = await HttpApi.at(await this.service.port, this.key);
  }

  readonly ask = (method: string, path: string, asked?: Asked): Promise<Answer> => this.api.ask(method, path, asked);

  /** Makes a job. */
  readonly create = async (jobId: string, job: object): Promise<Json> => {
    const answer = await this.ask('POST', '/api/jobs', { body: { jobId, ...job } });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body;
  };

  readonly untilOutcomes = (jobId: string, count: number): Promise<void> =>
    this.belfry.until(
      `${count} outcomes of ${jobId}`,
      (outcomes) => outcomes.filter((outcome) => outcome.jobId === jobId).length >= count,
    );
}
