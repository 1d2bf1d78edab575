/** Rejected commands of the caller's tenant. */
import { findRejected, isCut, listRejected, readRejected } from '../../client/rejected.ts';
import { BelfryError } from '../../core/errors.ts';
import { isPlace } from '../../core/rejected-record.ts';
import { Shares } from '../../core/shares.ts';
import { name, record } from '../../core/spec/fields.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { count } from '../query.ts';
import { answers, rejectedCommand, rejectedPage } from '../resources.ts';

const MOST = 1_000;
/** Readers of Kafka at once, each for one record. */
const MAX_READERS = 8;
const tags = ['commands'];

const PLACE = { allowed: 'must be a place as the list of rejected commands shows it, such as 3-17', holds: isPlace };

export function addRejected(api: Api, deps: ApiDeps): void {
  const readers = new Shares(MAX_READERS);

  api.get(
    '/api/rejected',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'listRejected', summary: 'Commands that were rejected, the latest first' },
        description: `The latest 1,000 are known, for seven days. Of a long value only the beginning is told.`,
        querystring: record('the query', { limit: count(MOST, 20) }),
        response: answers({ 200: rejectedPage }),
      },
    },
    ({ caller: { tenant }, query }) => listRejected(deps, { tenant }, query.limit),
  );

  api.get(
    '/api/rejected/:place',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'getRejected', summary: 'A rejected command as it came' },
        params: record('the path', { place: name(PLACE) }),
        response: answers({ 200: rejectedCommand }),
      },
    },
    async ({ caller: { tenant }, params: { place } }) => {
      const found = await findRejected(deps, place, tenant);
      if (found === undefined) throw new RequestError('not_found', `There is no rejected command at ${place}.`);
      const release = isCut(found) ? readers.take(tenant) : () => undefined;
      if (release === undefined)
        throw new BelfryError('overloaded', 'Rejected commands are being read already; try again.', {
          retryable: true,
        });
      try {
        return await readRejected({ ...deps, broker: () => deps.broker }, found);
      } finally {
        release();
      }
    },
  );
}
