/**
 * Refused commands of the caller's tenant. What was refused may hold anything: a record is told to a tenant only if nothing in
 * it names another one, neither its key nor its value.
 */
import { z } from 'zod';
import { readRejected, placeOf } from '../../client/rejected.ts';
import { BelfryError } from '../../core/errors.ts';
import type { ConsumedRecord } from '../../core/records.ts';
import { name, record } from '../../core/spec/fields.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { count } from '../query.ts';
import { answers, rejectedCommand, rejectedPage } from '../resources.ts';

const MOST = 1_000;
/** The whole topic is read each time. */
const AT_ONCE = 2;
const tags = ['commands'];

const PLACE = {
  allowed: 'must be a place on the topic, such as 3-17',
  holds: (text: string) => /^\d{1,4}-\d{1,18}$/.test(text),
};

export function addRejected(api: Api, deps: ApiDeps): void {
  const { broker, clock, topics } = deps;
  let reading = 0;

  async function read(tenant: string, limit: number, isWanted: (record: ConsumedRecord) => boolean) {
    if (reading >= AT_ONCE) {
      throw new BelfryError('overloaded', 'Refused commands are being read already; try again.', { retryable: true });
    }
    reading += 1;
    try {
      const own = (each: ConsumedRecord): boolean => isWanted(each) && isOf(tenant, each);
      return await readRejected({ broker, clock, topic: topics.rejected }, limit, own);
    } finally {
      reading -= 1;
    }
  }

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

/** Avro cannot be looked into here: its key decides, unless that is what it was refused for. */
function isOf(tenant: string, { key, value, headers }: ConsumedRecord): boolean {
  const ofKey = key === null ? undefined : key.toString().split('/')[0];
  const ofValue = tenantIn(value);
  if (ofKey === undefined || headers.belfry_error_code === 'key_mismatch') return ofValue === tenant;
  return ofKey === tenant && (ofValue === undefined || ofValue === tenant);
}

const written = z.looseObject({ tenant: z.string().nullish() });

/** Undefined where it cannot be known. */
function tenantIn(value: Buffer | null): string | undefined {
  try {
    const { data } = written.safeParse(JSON.parse(String(value)));
    return data && (data.tenant ?? 'default');
  } catch {
    return undefined; // no JSON
  }
}
