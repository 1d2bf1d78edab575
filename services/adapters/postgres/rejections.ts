/** The index of rejected records in PostgreSQL (schemas/sql/026-rejected-records.sql). */
import type { RejectedFilter, Rejections } from '../../core/ports/rejections.ts';
import type { Origin, RejectedRecord } from '../../core/rejected-record.ts';
import { asMigrated } from './as-migrated.ts';
import { conditionsOf, type Conditions } from './conditions.ts';
import type { Pg } from './pool.ts';
import { REJECTED_COLUMNS } from './timer-columns.ts';

const FIELDS = `r.origin_topic AS topic, r.origin_partition AS partition, r.origin_offset::text AS offset, r.tenant,
  r.job_id AS "jobId", r.command_id AS "commandId", r.code, r.message, r.rejected_at AS at, r.key, r.size, r.excerpt`;
const OF_REJECTED: Conditions<RejectedFilter> = { tenant: 'r.tenant = $', jobId: 'r.job_id = $' };
const FIND = {
  name: 'rejected_find',
  text: `SELECT ${FIELDS} FROM rejected_records r WHERE r.origin_topic = $1 AND r.origin_partition = $2 AND r.origin_offset = $3`,
};
const NAMES = Object.keys(REJECTED_COLUMNS);
const RECORD = {
  name: 'rejected_record',
  text: `SELECT index_rejected($1, ${NAMES.map((_, index) => `$${index + 1}`).join(', ')})`,
};

type Row = Omit<RejectedRecord, 'offset' | 'tenant'> & { offset: string; tenant: string };

export class PostgresRejections implements Rejections {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  async record(rejected: readonly RejectedRecord[]): Promise<void> {
    // The partitions are the accepted ones: all of them are.
    const columns = Object.values(REJECTED_COLUMNS).map((encode) => encode(rejected));
    await asMigrated(this.pg.query(RECORD, columns));
  }

  async list(filter: RejectedFilter, limit: number): Promise<RejectedRecord[]> {
    const { where, values, key } = conditionsOf(OF_REJECTED, filter);
    const text = `SELECT ${FIELDS} FROM rejected_records r WHERE ${where} ORDER BY r.id DESC LIMIT $${values.length + 1}`;
    const found = this.pg.query<Row>({ name: `rejected_list_${key}`, text }, [...values, limit]);
    return (await asMigrated(found)).map(recordOf);
  }

  async find({ topic, partition, offset }: Origin): Promise<RejectedRecord | undefined> {
    const found = this.pg.query<Row>(FIND, [topic, partition, String(offset)]);
    return (await asMigrated(found)).map(recordOf)[0];
  }
}

function recordOf({ offset, tenant, ...row }: Row): RejectedRecord {
  return { ...row, offset: BigInt(offset), tenant: tenant === '' ? null : tenant };
}
