/** Who changed what, and when. */
import { AUDIT_ACTIONS } from '../../core/audit.ts';
import { auditJson } from '../../core/resources.ts';
import { instant, name, record, word } from '../../core/spec/fields.ts';
import { JOB_ID, LABEL_VALUE } from '../../core/spec/names.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { count, firstPage } from '../query.ts';
import { answers, auditEntry, pageOf } from '../resources.ts';

const MOST = 200;
const CURSOR = { allowed: 'must be a cursor that a list gave', holds: (text: string) => /^\d{1,15}$/.test(text) };

const auditQuery = record('the query', {
  job: name(JOB_ID).optional(),
  actor: name(LABEL_VALUE).optional(),
  action: word(AUDIT_ACTIONS).optional(),
  from: instant.optional(),
  to: instant.optional(),
  cursor: name(CURSOR).optional(),
  limit: count(MOST, 50),
});

export function addAudit(api: Api, { audit }: ApiDeps): void {
  api.get(
    '/api/audit',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags: ['audit'], operationId: 'listAudit', summary: 'Who changed what, the latest first' },
        description: '`actor` is the prefix or the name of a key, or a kind of actor.',
        querystring: auditQuery,
        response: answers({ 200: pageOf('entries', auditEntry) }),
      },
    },
    async ({ caller: { tenant }, query }) => {
      const { job: jobId, from: since, to: until, cursor, limit, actor, action } = query;
      const before = cursor === undefined ? undefined : Number(cursor);
      const found = await audit.list({ tenant, jobId, actor, action, since, until, before }, limit + 1);
      const { page, nextCursor } = firstPage(found, limit, ({ id }) => String(id));
      return { entries: page.map(auditJson), nextCursor };
    },
  );
}
