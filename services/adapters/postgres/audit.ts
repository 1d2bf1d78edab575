/** The audit log in PostgreSQL (schemas/sql/018-audit.sql). */
import type { Actor, AuditEntry } from '../../core/audit.ts';
import type { FieldChange } from '../../core/field-changes.ts';
import type { Audit, AuditFilter, AuditRecord } from '../../core/ports/audit.ts';
import { conditionsOf, type Conditions } from './conditions.ts';
import type { Pg } from './pool.ts';

const FIELDS = `a.id, a.at, a.tenant, a.job_id AS "jobId", a.action, a.actor_kind AS "actorKind", a.actor_id AS "actorId",
  a.actor_name AS "actorName", a.command_id AS "commandId", a.version, a.changes`;
const OF_ENTRIES: Conditions<AuditFilter> = {
  tenant: 'a.tenant = $',
  jobId: 'a.job_id = $',
  action: 'a.action = $',
  actor: '$ IN (a.actor_kind, a.actor_id, a.actor_name)',
  since: 'a.at >= $',
  until: 'a.at < $',
  before: 'a.id < $',
};
const RECORD = {
  name: 'audit_record',
  text: `INSERT INTO audit (at, tenant, job_id, action, actor_kind, actor_id, actor_name, command_id, version, changes)
         VALUES (now_ms(), $1, $2, $3, $4, $5, $6, $7, $8, $9)`,
};

type Row = Omit<AuditRecord, 'actor' | 'changes'> & {
  actorKind: Actor['kind'];
  actorId: string | null;
  actorName: string | null;
  changes: string;
};

export class PostgresAudit implements Audit {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  async record({ tenant, jobId, action, actor, commandId, version, changes }: Omit<AuditEntry, 'at'>): Promise<void> {
    const { kind, id, name } = actor;
    const values = [tenant, jobId, action, kind, id, name, commandId, version, JSON.stringify(changes)];
    await this.pg.query(RECORD, values);
  }

  async list(filter: AuditFilter, limit: number): Promise<AuditRecord[]> {
    const { where, values, key } = conditionsOf(OF_ENTRIES, filter);
    const text = `SELECT ${FIELDS} FROM audit a WHERE ${where} ORDER BY a.id DESC LIMIT $${values.length + 1}`;
    return (await this.pg.query<Row>({ name: `audit_list_${key}`, text }, [...values, limit])).map(recordOf);
  }
}

function recordOf({ actorKind: kind, actorId: id, actorName: name, changes, ...row }: Row): AuditRecord {
  const told = (JSON.parse(changes) as Partial<FieldChange>[]).map(({ field = '', from, to }) => ({ field, from, to }));
  return { ...row, actor: { kind, id, name }, changes: told };
}
