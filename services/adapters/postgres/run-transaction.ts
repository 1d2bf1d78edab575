/**
 * A handler's own transaction: its writes and the run's outcome commit together, or neither does.
 *
 * Invariants: COMMIT is sent only after settle took effect under the token; the handler's client is deaf once the transaction
 * has ended, so that nothing of it lands in the next one on that connection.
 * The race: an answer to COMMIT that is lost. The run's row knows: settle has locked it, so reading it for update waits until
 * that transaction has ended, whichever way.
 */
import type pg from 'pg';

import { BelfryError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Lease, RunTransaction, Settled, Settlement } from '../../core/ports/run-store.ts';
import { within } from '../../core/within.ts';
import { classify } from './classify.ts';
import { rethrowRefusal } from './enqueue.ts';
import { LEND_SESSION, type Pg } from './pool.ts';
import { settledOf, type SettledRow } from './run-rows.ts';
import { settleText, settleValues } from './run-settle.ts';

/** How long COMMIT may take before its answer counts as lost. */
const COMMIT_TIMEOUT_MS = 5_000;

const LOCK_RUN = { name: 'lock_run', text: 'SELECT status FROM runs WHERE run_id = $1 AND token = $2 FOR UPDATE' };

/** See RunStore.transaction. Errors that `work` throws pass as they are. */
export async function transaction<T>(
  pool: Pg,
  clock: Clock,
  lease: Lease,
  timeoutMs: number,
  work: (transaction: RunTransaction) => Promise<T>,
): Promise<T> {
  const open = new OpenTransaction(pool, lease, await pool.connect());
  try {
    await open.begin(timeoutMs);
    const value = await within(clock, timeoutMs, work(open.handle()), () => lateBy(timeoutMs));
    open.checkSettled();
    await open.commit(clock);
    return value;
  } catch (error) {
    await open.rollback(clock, error);
    throw open.failure ?? error;
  }
}

class OpenTransaction {
  /** Why settle failed: it stands even when the handler swallows the error. */
  failure: BelfryError | undefined;
  private settlement: Settlement | undefined;
  private ended = false;
  private readonly pool: Pg;
  private readonly lease: Lease;
  private readonly client: pg.PoolClient;

  constructor(pool: Pg, lease: Lease, client: pg.PoolClient) {
    this.pool = pool;
    this.lease = lease;
    this.client = client;
  }

  /** The handler gets the server's own search path (none of its tables can be mistaken for ours) and planner. */
  async begin(timeoutMs: number): Promise<void> {
    const ms = Math.ceil(timeoutMs);
    await this.client
      .query(
        `BEGIN; SET LOCAL statement_timeout = ${ms}; SET LOCAL idle_in_transaction_session_timeout = ${ms};
         ${LEND_SESSION}`,
      )
      .catch(rethrow);
  }

  handle(): RunTransaction {
    return {
      client: this.guarded(),
      settle: (settlement) => this.settle(settlement),
      enqueue: async (command) => {
        const text = `SELECT ${this.pool.schema}.enqueue($1)`;
        await this.client.query(text, [JSON.stringify(command)]).catch(rethrowRefusal);
      },
    };
  }

  checkSettled(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.settlement === undefined) {
      throw new BelfryError('not_settled', 'A transaction of a run must end with its settle.');
    }
  }

  /** @throws BelfryError when the transaction was rolled back, or when nobody can tell (`store_unavailable`) */
  async commit(clock: Clock): Promise<void> {
    this.ended = true;
    try {
      const { command } = await within(clock, COMMIT_TIMEOUT_MS, this.client.query('COMMIT'), () =>
        unavailable('PostgreSQL does not answer a COMMIT.'),
      );
      this.client.release();
      // Of a transaction in which a statement failed, COMMIT makes a rollback and calls it no error.
      if (command !== 'COMMIT') throw new BelfryError('rolled_back', 'A statement of the transaction had failed.');
    } catch (error) {
      if (error instanceof BelfryError && error.code === 'rolled_back') throw error;
      this.client.release(true);
      if (!(await this.wasCommitted())) throw classify(error);
    }
  }

  /** Gives the connection back clean; closes it when the handler may still be using it. Does nothing after commit. */
  async rollback(clock: Clock, reason: unknown): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    try {
      if (reason instanceof BelfryError && reason.code === 'timeout') throw reason;
      await within(clock, COMMIT_TIMEOUT_MS, this.client.query('ROLLBACK'), () =>
        unavailable('No answer to ROLLBACK.'),
      );
      this.client.release();
    } catch {
      this.client.release(true); // a connection that closes rolls back
    }
  }

  private async settle(settlement: Settlement): Promise<Settled> {
    try {
      const text = settleText(`${this.pool.schema}.`);
      const { rows } = await this.client.query<SettledRow>(text, settleValues(this.lease, [settlement])).catch(rethrow);
      const [settled] = settledOf(rows);
      if (settled === undefined) {
        throw new BelfryError('lease_lost', 'The run is not this worker’s any more.', {
          ids: { runId: settlement.runId },
        });
      }
      this.settlement = settlement;
      return settled;
    } catch (error) {
      this.failure = classify(error);
      throw this.failure;
    }
  }

  private async wasCommitted(): Promise<boolean> {
    const { runId, token } = this.settlement as Settlement;
    const [row] = await this.pool.query<{ status: string }>(LOCK_RUN, [runId, token]);
    return row !== undefined && row.status !== 'RUNNING';
  }

  /** The client as the handler sees it: of no use after the end, and the connection is not the handler's to give back. */
  private guarded(): pg.PoolClient {
    return new Proxy(this.client, {
      get: (client, property) => {
        if (this.ended) throw new BelfryError('transaction_ended', 'The transaction of this run has ended.');
        if (property === 'release' || property === 'end') return () => undefined;
        const value: unknown = Reflect.get(client, property, client);
        return typeof value === 'function' ? (value.bind(client) as unknown) : value;
      },
    });
  }
}

function rethrow(error: unknown): never {
  throw classify(error);
}

function unavailable(message: string): BelfryError {
  return new BelfryError('store_unavailable', message, { retryable: true });
}

function lateBy(timeoutMs: number): BelfryError {
  return new BelfryError('timeout', `The transaction took longer than ${timeoutMs} ms.`, { retryable: true });
}
