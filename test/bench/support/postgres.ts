/** What the bench's PostgreSQL is given beyond its defaults, for Belfry and peers alike: memory that a production server has. */
export const POSTGRES_SETTINGS = { shared_buffers: '1GB', max_wal_size: '4GB' } as const;
