/** What the bench itself asks of a PostgreSQL. */
import pg from 'pg';

/** A backend tells its counts when it has been idle for 10 s, if not before. */
const COUNTS_ARE_TOLD_AFTER_MS = 11_000;

export async function query<Row extends object>(databaseUrl: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Since the cluster was made. */
export type Written = { rows: number; walBytes: number; transactions: number };

/** What was written until now. Takes 11 s, since backends tell their counts late. */
export async function written(databaseUrl: string): Promise<Written> {
  await new Promise((resolve) => setTimeout(resolve, COUNTS_ARE_TOLD_AFTER_MS));
  const [row] = await query<{ rows: string; wal: string; transactions: string }>(
    databaseUrl,
    `SELECT (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables) AS rows,
            pg_current_wal_insert_lsn() - '0/0' AS wal,
            (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS transactions`,
  );
  return { rows: Number(row?.rows), walBytes: Number(row?.wal), transactions: Number(row?.transactions) };
}

export async function databaseBytes(databaseUrl: string): Promise<number> {
  const [row] = await query<{ bytes: string }>(databaseUrl, 'SELECT pg_database_size(current_database()) AS bytes');
  return Number(row?.bytes);
}

/** Opens a snapshot, as a long report or a dump would, and holds it. @returns lets it go */
export async function holdSnapshot(databaseUrl: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query('SELECT count(*) FROM pg_class');
  return async () => {
    await client.query('COMMIT');
    await client.end();
  };
}
