import type { DatabaseClient } from '../../database/client.js';
import type { Ability } from '../ability.js';

/** What a role of the system may do with the tables. */
export type TableRights = 'admin' | 'data-engineer' | 'analyst' | 'frontend';

export interface AbilityNames {
  /** Schemas of the business tables. */
  schemas: readonly string[];
  serving: { schema: string; table: string };
  rights: TableRights;
}

type Found = Pick<Ability, 'what' | 'expected' | 'found' | 'detail'>;

const attributes = [
  ['superuser', 'be superuser'],
  ['creates_roles', 'create roles'],
  ['creates_databases', 'create databases'],
  ['replicates', 'replicate'],
  ['bypasses', 'bypass row security'],
] as const;

/**
 * What the login of this connection can do, against what it has to and must not be able to do. By
 * itself and as the role it works as.
 */
export async function loginAbilities(
  client: DatabaseClient,
  names: AbilityNames,
): Promise<Found[]> {
  return [
    ...(await attributeAbilities(client)),
    ...(await serverAbilities(client)),
    ...(await tableAbilities(client, names)),
  ];
}

async function attributeAbilities(client: DatabaseClient): Promise<Found[]> {
  const [row] = await client.query<Record<(typeof attributes)[number][0], string | null>>(
    `SELECT string_agg(rolname, ', ') FILTER (WHERE rolsuper) AS superuser,
            string_agg(rolname, ', ') FILTER (WHERE rolcreaterole) AS creates_roles,
            string_agg(rolname, ', ') FILTER (WHERE rolcreatedb) AS creates_databases,
            string_agg(rolname, ', ') FILTER (WHERE rolreplication) AS replicates,
            string_agg(rolname, ', ') FILTER (WHERE rolbypassrls) AS bypasses
     FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER') AND (rolname !~ '^pg_')`,
  );
  return attributes.map(([column, what]) => {
    const who = row?.[column] ?? null;
    const found = who === null ? 'cannot' : 'can';
    return { what, expected: 'cannot', found, detail: who === null ? '' : `through ${who}` };
  });
}

async function serverAbilities(client: DatabaseClient): Promise<Found[]> {
  const rows = await client.query<{ what: string; can: boolean }>(
    `SELECT 'read and write files of the server, or run programs there' AS what,
            bool_or(pg_has_role(session_user, oid, 'MEMBER')) AS can
     FROM pg_roles
     WHERE rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
     UNION ALL
     SELECT 'read the stored passwords', has_table_privilege(session_user, 'pg_authid', 'SELECT')`,
  );
  return rows.map(({ what, can }) => ({
    what,
    expected: 'cannot',
    found: can ? 'can' : 'cannot',
    detail: '',
  }));
}

interface TableRow {
  name: string;
  serving: boolean;
  reads: boolean;
  writes_all: boolean;
  writes_any: boolean;
}

async function tableAbilities(client: DatabaseClient, names: AbilityNames): Promise<Found[]> {
  const { schemas, serving, rights } = names;
  const tables = await client.query<TableRow & Record<string, unknown>>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name,
            (n.nspname = $2 AND (c.relname = $3 OR c.relkind IN ('v', 'm'))) AS serving,
            has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS reads,
            has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
              AND has_table_privilege(c.oid, 'DELETE') AS writes_all,
            has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
              OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE') AS writes_any
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
     ORDER BY 1`,
    [schemas, serving.schema, serving.table],
  );
  const stored = await writable(client, schemas);
  const readable = tables.filter((table) => rights !== 'frontend' || table.serving);
  const hidden = tables.filter((table) => rights === 'frontend' && !table.serving);
  const found = [has('read the tables', readable, ({ reads }) => reads)];
  if (hidden.length > 0) {
    found.push(hasNot('read more than the best reviews', hidden, ({ reads }) => reads));
  }
  const changed = tables.filter(({ name }) => stored.has(name));
  if (rights === 'admin' || rights === 'data-engineer') {
    found.push(has('write the tables', changed, ({ writes_all: writes }) => writes));
  } else {
    found.push(hasNot('write the tables', tables, ({ writes_any: writes }) => writes));
  }
  return found;
}

/** Tables that hold rows of their own: nobody writes a view. */
async function writable(
  client: DatabaseClient,
  schemas: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p')`,
    [schemas],
  );
  return new Set(rows.map(({ name }) => name));
}

function has(what: string, tables: readonly TableRow[], can: (table: TableRow) => boolean): Found {
  if (tables.length === 0) {
    return { what, expected: 'can', found: 'unknown', detail: 'there are no tables' };
  }
  const lacking = tables.filter((table) => !can(table)).map(({ name }) => name);
  const found = lacking.length === 0 ? 'can' : 'cannot';
  return { what, expected: 'can', found, detail: list(lacking) };
}

function hasNot(
  what: string,
  tables: readonly TableRow[],
  can: (table: TableRow) => boolean,
): Found {
  const open = tables.filter(can).map(({ name }) => name);
  return {
    what,
    expected: 'cannot',
    found: open.length === 0 ? 'cannot' : 'can',
    detail: list(open),
  };
}

const list = (names: readonly string[]): string =>
  names.length <= 3
    ? names.join(', ')
    : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
