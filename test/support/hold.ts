import { expect } from 'vitest';
import type { TestDatabase } from './database.js';

export interface Hold {
  /** Resolves once a session of reviewops waits for the table. */
  awaited(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Keeps others from writing to a table or changing it (`SHARE`), or from reading it as well: what
 * needs that is certain to be at work until it is released or killed.
 */
export async function holdTable(
  database: TestDatabase,
  table: string,
  mode: 'SHARE' | 'ACCESS EXCLUSIVE' = 'SHARE',
): Promise<Hold> {
  const [holder, observer] = [await database.client(), await database.client()];
  await holder.execute('BEGIN');
  await holder.execute(`LOCK TABLE ${table} IN ${mode} MODE`);
  return {
    awaited: () =>
      expect
        .poll(
          () =>
            observer.query(
              `SELECT 1 FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'
                 AND application_name LIKE 'reviewops %' LIMIT 1`,
            ),
          { timeout: 30_000, interval: 10 },
        )
        .toHaveLength(1),
    release: async () => {
      await holder.execute('ROLLBACK');
    },
  };
}
