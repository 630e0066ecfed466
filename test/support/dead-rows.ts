import { expect } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';

/**
 * Waits until nobody on the server, whatever database they are in, may still see rows that are dead
 * by now: VACUUM FULL keeps what others may see.
 */
export async function deadForAll(connection: DatabaseClient): Promise<void> {
  const [row] = await connection.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
  await expect
    .poll(
      () =>
        connection.query<{ past: boolean }>(
          'SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 AS past',
          [row?.xid],
        ),
      { timeout: 20_000, interval: 20 },
    )
    .toEqual([{ past: true }]);
}
