import type { Config } from '../../config/schema.js';
import { type Check, critical, ok, several } from '../check.js';

/** Whether the tables that are worked with exist, and may be worked with. */

const bookkeeping = ['incidents', 'pipeline_runs', 'fact_loads'];

interface Needed {
  schema: string;
  table: string;
  /** Whether it is written, too. */
  written: boolean;
}

function neededTables({ source, serving }: Config): Needed[] {
  const entities = Object.values(source.entities).map(({ table }) => table);
  const named = source.tables === 'all' ? [] : source.tables;
  return [
    ...[...new Set([...entities, ...named])].map((table) => ({
      schema: source.schema,
      table,
      written: false,
    })),
    { ...serving, written: true },
    ...bookkeeping.map((table) => ({ schema: 'maintenance', table, written: true })),
  ];
}

/** By the catalog and not to_regclass, which fails where the schema may not be used. */
const needed = `unnest($1::text[], $2::text[]) AS needed (schema, name)
  LEFT JOIN pg_namespace namespace ON namespace.nspname = needed.schema
  LEFT JOIN pg_class class ON class.relnamespace = namespace.oid AND class.relname = needed.name`;

export const tables: Check = {
  name: 'tables',
  title: 'Tables exist',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const wanted = neededTables(config);
    const rows = await (await database()).query<{ name: string }>(
      `SELECT needed.schema || '.' || needed.name AS name FROM ${needed} WHERE class.oid IS NULL`,
      [wanted.map(({ schema }) => schema), wanted.map(({ table }) => table)],
    );
    const missing = rows.map(({ name }) => name);
    const shared = { value: missing.length, unit: 'count' as const, evidence: { missing } };
    if (missing.length === 0) return ok(`all ${wanted.length} tables are there`, shared);
    return critical(`not there: ${several(missing)}`, {
      ...shared,
      runbook: { id: 'relation-not-found', input: {} },
    });
  },
};

interface Grant {
  role: string;
  schema: string;
  name: string;
  usage: boolean;
  /** Of the table; a load replaces its partitions and refreshes its views. */
  owner: boolean;
  missing: string[];
}

export const grants: Check = {
  name: 'grants',
  title: 'Rights of the role',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const wanted = neededTables(config);
    const rows = await (await database()).query<Grant>(
      `SELECT current_user AS role, needed.schema, needed.name,
              has_schema_privilege(namespace.oid, 'USAGE') AS usage,
              pg_has_role(class.relowner, 'USAGE') AS owner,
              ARRAY(SELECT privilege
                    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
                    WHERE NOT has_table_privilege(class.oid, privilege)) AS missing
       FROM ${needed} WHERE class.oid IS NOT NULL`,
      [wanted.map(({ schema }) => schema), wanted.map(({ table }) => table)],
    );
    const lacking = rows.flatMap((row) => lackingRights(row, wanted, config));
    const role = rows[0]?.role ?? 'the role';
    const shared = {
      value: lacking.length,
      unit: 'count' as const,
      evidence: { role, lacking: [...new Set(lacking)] },
    };
    if (lacking.length === 0) return ok(`${role} has the rights it needs`, shared);
    return critical(`${role} lacks ${several([...new Set(lacking)])}`, {
      ...shared,
      runbook: { id: 'database-connection', input: {} },
      next: `Grant them to ${role}, or use a role that has them.`,
    });
  },
};

function lackingRights(row: Grant, wanted: readonly Needed[], { serving }: Config): string[] {
  const { schema, name, usage, owner, missing } = row;
  if (!usage) return [`USAGE on ${schema}`];
  const { written } = wanted.find((one) => one.schema === schema && one.table === name) ?? {};
  const rights = missing.filter((right) => written === true || right === 'SELECT');
  const lacking = rights.length === 0 ? [] : [`${rights.join(', ')} on ${schema}.${name}`];
  const served = schema === serving.schema && name === serving.table;
  return served && !owner ? [...lacking, `ownership of ${schema}.${name}`] : lacking;
}
