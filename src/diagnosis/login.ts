import type { Config } from '../config/schema.js';
import { type DatabaseClient, withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';

export interface LoginProbe {
  role: string;
  server: string;
  /** A standby takes no writes. */
  standby: boolean;
  connections: number;
  maxConnections: number;
  /** When the password stops being valid, ISO 8601; null for never. */
  validUntil: string | null;
}

export interface ConnectionOptions {
  settings: Config['database'];
  signal: AbortSignal;
}

/** Logs in and says as whom. Throws what the driver's errors become (exit 5). */
export const probeLogin = (
  target: DatabaseTarget,
  options: ConnectionOptions,
): Promise<LoginProbe> =>
  withClient(target, { purpose: 'login probe', readOnly: true, ...options }, async (client) => {
    const [row] = await client.query<{
      role: string;
      server: string;
      standby: boolean;
      connections: number;
      max_connections: number;
      valid_until: string | null;
    }>(
      `SELECT current_user AS role, current_setting('server_version') AS server,
              pg_is_in_recovery() AS standby,
              (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
              current_setting('max_connections')::int AS max_connections,
              (SELECT CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil::text END
               FROM pg_roles WHERE rolname = current_user) AS valid_until`,
    );
    if (row === undefined) throw new Error('A query of one row gave none.');
    return {
      role: row.role,
      server: row.server,
      standby: row.standby,
      connections: row.connections,
      maxConnections: row.max_connections,
      validUntil: row.valid_until,
    };
  });

export interface RightsProbe {
  role: string;
  /** Schemas of the configuration that exist and that the role may not enter. */
  closedSchemas: string[];
  /** Source tables that the role may not read. */
  unreadable: string[];
  /** What a load needs and the role does not have. */
  cannotWrite: string[];
}

/** What the role may do with what the configuration names. Reads the catalogue only. */
export async function probeRights(client: DatabaseClient, config: Config): Promise<RightsProbe> {
  const { source, serving } = config;
  const schemas = [...new Set([source.schema, serving.schema, 'maintenance'])];
  const [row] = await client.query<{
    role: string;
    closed: string[];
    unreadable: string[];
    cannot_write: string[];
  }>(
    `SELECT current_user AS role,
       ARRAY(SELECT nspname::text FROM pg_namespace WHERE nspname = ANY ($1::text[])
             AND NOT has_schema_privilege(oid, 'USAGE') ORDER BY 1) AS closed,
       ARRAY(SELECT n.nspname || '.' || c.relname FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
             AND ($3::text[] IS NULL OR c.relname = ANY ($3::text[]))
             AND NOT has_table_privilege(c.oid, 'SELECT') ORDER BY 1) AS unreadable,
       ARRAY(SELECT n.nspname || '.' || c.relname FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE (n.nspname = $4 AND c.relname = $5 AND NOT pg_has_role(c.relowner, 'USAGE'))
                OR (n.nspname = 'maintenance' AND c.relname IN ('pipeline_runs', 'fact_loads')
                    AND NOT has_table_privilege(c.oid, 'INSERT')) ORDER BY 1) AS cannot_write`,
    [
      schemas,
      source.schema,
      source.tables === 'all' ? null : source.tables,
      serving.schema,
      serving.table,
    ],
  );
  return {
    role: row?.role ?? 'unknown',
    closedSchemas: row?.closed ?? [],
    unreadable: row?.unreadable ?? [],
    cannotWrite: row?.cannot_write ?? [],
  };
}
