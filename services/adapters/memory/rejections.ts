/** The index of rejected records in memory; see core/ports/rejections.ts. */
import type { RejectedFilter, Rejections } from '../../core/ports/rejections.ts';
import type { Origin, RejectedRecord } from '../../core/rejected-record.ts';
import type { MemoryDatabase } from './database.ts';

export class MemoryRejections implements Rejections {
  private readonly db: MemoryDatabase;

  constructor(db: MemoryDatabase) {
    this.db = db;
  }

  async record(rejected: readonly RejectedRecord[]): Promise<void> {
    this.db.indexRejected(rejected);
  }

  async list({ tenant, jobId }: RejectedFilter, limit: number): Promise<RejectedRecord[]> {
    const found = this.db.rejected.filter(
      (each) => (tenant === undefined || each.tenant === tenant) && (jobId === undefined || each.jobId === jobId),
    );
    return found.reverse().slice(0, limit);
  }

  async find({ topic, partition, offset }: Origin): Promise<RejectedRecord | undefined> {
    return this.db.rejected.find(
      (each) => each.topic === topic && each.partition === partition && each.offset === offset,
    );
  }
}
