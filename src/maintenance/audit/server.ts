import type { DatabaseClient } from '../../database/client.js';
import { tlsOf, verification } from '../../database/connect.js';
import { quoteIdentifier } from '../../database/identifiers.js';
import type { DatabaseTarget } from '../../database/target.js';
import { isLoopback, parseDatabaseUrl } from '../../database/url.js';
import { formatCount } from '../../system/duration.js';
import type { AuditFinding } from './finding.js';

/** Whether what travels can be read or redirected by somebody on the way. */
export async function tls(client: DatabaseClient, target: DatabaseTarget): Promise<AuditFinding[]> {
  const address = parseDatabaseUrl(target.url);
  if (isLoopback(address.host)) return [];
  const about = { check: 'tls', object: target.description };
  const secured = await client.use(async (connection) => tlsOf(connection));
  if (secured === undefined) {
    const problem = 'the connection is not encrypted';
    return [
      { ...about, state: 'critical', problem, fix: 'Add sslmode=verify-full to NEON_DB_URL.' },
    ];
  }
  if (verification(address) !== 'none') return [];
  return [
    {
      ...about,
      state: 'warning',
      problem: 'the connection is encrypted, but nobody checks whose certificate it is',
      fix: 'Set sslmode=verify-full (and sslrootcert for an authority of your own) in NEON_DB_URL.',
    },
  ];
}

/** Transaction ids are used up at 2 billion; from here on it is late. */
const wraparound = { warning: 500_000_000, critical: 1_500_000_000 };

/** How far the oldest row of the database and of each table is from the end of the ids. */
export async function transactionIds(client: DatabaseClient): Promise<AuditFinding[]> {
  const [row] = await client.query<{ name: string; age: number; oldest: string }>(
    `SELECT datname AS name, age(datfrozenxid)::int AS age,
            (SELECT c.oid::regclass::text FROM pg_class c
             WHERE c.relkind IN ('r', 'm', 't') ORDER BY age(c.relfrozenxid) DESC LIMIT 1) AS oldest
     FROM pg_database WHERE datname = current_database()`,
  );
  if (row === undefined || row.age < wraparound.warning) return [];
  return [
    {
      check: 'wraparound',
      state: row.age < wraparound.critical ? 'warning' : 'critical',
      object: row.name,
      problem: `the oldest transaction id is ${formatCount(row.age)} back, in ${row.oldest}; at 2,000,000,000 the server stops taking writes`,
      fix: `reviewops db vacuum --table ${row.oldest}`,
    },
  ];
}

/** Extensions of which the server has a newer version. */
export async function extensions(client: DatabaseClient): Promise<AuditFinding[]> {
  const rows = await client.query<{ name: string; installed: string; available: string }>(
    `SELECT name, installed_version AS installed, default_version AS available
     FROM pg_available_extensions
     WHERE installed_version IS NOT NULL AND installed_version <> default_version ORDER BY 1`,
  );
  return rows.map(({ name, installed, available }) => ({
    check: 'extension',
    state: 'info',
    object: name,
    problem: `is at ${installed}; the server has ${available}`,
    fix: `ALTER EXTENSION ${quoteIdentifier(name)} UPDATE;`,
  }));
}
