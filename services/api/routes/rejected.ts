/** Refused commands of the caller's tenant. */
import { placeOf } from '../../client/rejected.ts';
import { name, record } from '../../core/spec/fields.ts';
import type { Api } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { count } from '../query.ts';
import type { ReadRejected } from '../rejected-reader.ts';
import { answers, rejectedCommand, rejectedPage } from '../resources.ts';

const MOST = 1_000;
const tags = ['commands'];

const PLACE = {
  allowed: 'must be a place on the topic, such as 3-17',
  holds: (text: string) => /^\d{1,4}-\d{1,18}$/.test(text),
};

export function addRejected(api: Api, read: ReadRejected): void {
  api.get(
    '/api/rejected',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'listRejected', summary: 'Commands that were refused, the latest first' },
        querystring: record('the query', { limit: count(MOST, 20) }),
        response: answers({ 200: rejectedPage }),
      },
    },
    (request) => read(request.caller.tenant, request.query.limit, () => true),
  );

  api.get(
    '/api/rejected/:place',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'getRejected', summary: 'A refused command as it came' },
        params: record('the path', { place: name(PLACE) }),
        response: answers({ 200: rejectedCommand }),
      },
    },
    async (request) => {
      const { place } = request.params;
      const { rejected } = await read(request.caller.tenant, 1, (each) => placeOf(each) === place);
      if (rejected[0] !== undefined) return rejected[0];
      throw new RequestError('not_found', `There is no refused command at ${place}.`);
    },
  );
}
