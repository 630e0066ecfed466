import type { DatabaseClient } from '../../database/client.js';
import { quoteIdentifier } from '../../database/identifiers.js';
import type { AuditFinding } from './finding.js';

/** Roles of the system, as the database may name them, with or without a prefix. */
const rolePattern = '^([a-z]+_)?(admin|data_engineer|analyst|frontend)$';

interface Right {
  role: string;
  kind: string;
  schema: string;
  table: string;
  serving: boolean;
  reads: boolean;
  writes: boolean;
  all_writes: boolean;
}

/** What each role may do, against what it should: who only reads must not write, and so on. */
export async function roles(
  client: DatabaseClient,
  names: { schemas: readonly string[]; serving: { schema: string; table: string } },
): Promise<AuditFinding[]> {
  const rights = await client.query<Right>(
    `SELECT r.rolname AS role, substring(r.rolname FROM '(admin|data_engineer|analyst|frontend)$') AS kind,
            n.nspname AS schema, c.relname AS table,
            (n.nspname = $3 AND (c.relname = $4 OR c.relkind IN ('v', 'm'))) AS serving,
            has_table_privilege(r.oid, c.oid, 'SELECT') AND has_schema_privilege(r.oid, n.oid, 'USAGE') AS reads,
            has_table_privilege(r.oid, c.oid, 'INSERT') OR has_table_privilege(r.oid, c.oid, 'UPDATE')
              OR has_table_privilege(r.oid, c.oid, 'DELETE') OR has_table_privilege(r.oid, c.oid, 'TRUNCATE') AS writes,
            has_table_privilege(r.oid, c.oid, 'INSERT') AND has_table_privilege(r.oid, c.oid, 'UPDATE')
              AND has_table_privilege(r.oid, c.oid, 'DELETE') AS all_writes
     FROM pg_roles r
     CROSS JOIN pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE r.rolname ~ $2 AND n.nspname = ANY ($1)
       AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
     ORDER BY 1, 3, 4`,
    [names.schemas, rolePattern, names.serving.schema, names.serving.table],
  );
  const found: AuditFinding[] = [];
  for (const role of new Set(rights.map((right) => right.role))) {
    found.push(
      ...judge(
        role,
        rights.filter((right) => right.role === role),
      ),
    );
  }
  return [...found, ...(await publicRights(client, names.schemas))];
}

function judge(role: string, rights: readonly Right[]): AuditFinding[] {
  const kind = rights[0]?.kind;
  const name = quoteIdentifier(role);
  const tables = (chosen: readonly Right[]) =>
    chosen.map(({ schema, table }) => `${schema}.${table}`);
  const report = (
    state: AuditFinding['state'],
    chosen: readonly Right[],
    problem: string,
    fix: (tables: string) => string,
  ): AuditFinding[] => {
    const list = tables(chosen);
    if (list.length === 0) return [];
    const shown =
      list.length > 3
        ? `${list.slice(0, 3).join(', ')} and ${list.length - 3} more`
        : list.join(', ');
    return [
      {
        check: 'grants',
        state,
        object: role,
        problem: `${problem} ${shown}`,
        fix: fix(list.join(', ')),
      },
    ];
  };
  const revoke = (what: string) => (list: string) => `REVOKE ${what} ON ${list} FROM ${name};`;
  const grant = (what: string) => (list: string) => `GRANT ${what} ON ${list} TO ${name};`;
  const writes = report(
    'critical',
    rights.filter((right) => right.writes),
    'may write, and should only read,',
    revoke('INSERT, UPDATE, DELETE, TRUNCATE'),
  );
  const full = rights.filter((right) => !right.reads || !right.all_writes);
  switch (kind) {
    case 'admin':
    case 'data_engineer':
      return report('warning', full, 'lacks rights on', grant('SELECT, INSERT, UPDATE, DELETE'));
    case 'analyst':
      return [
        ...writes,
        ...report(
          'warning',
          rights.filter((right) => !right.reads),
          'cannot read',
          grant('SELECT'),
        ),
      ];
    default:
      return [
        ...writes,
        ...report(
          'critical',
          rights.filter((right) => right.reads && !right.serving),
          'may read more than the best reviews:',
          revoke('SELECT'),
        ),
        ...report(
          'warning',
          rights.filter((right) => !right.reads && right.serving),
          'cannot read',
          grant('SELECT'),
        ),
      ];
  }
}

/** What everybody who can connect may do. */
async function publicRights(
  client: DatabaseClient,
  schemas: readonly string[],
): Promise<AuditFinding[]> {
  const rows = await client.query<{ object: string; rights: string; kind: string }>(
    `SELECT c.oid::regclass::text AS object, string_agg(DISTINCT a.privilege_type, ', ') AS rights, 'TABLE' AS kind
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL aclexplode(c.relacl) a
     WHERE a.grantee = 0 AND n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm')
     GROUP BY 1
     UNION ALL
     SELECT quote_ident(n.nspname), string_agg(DISTINCT a.privilege_type, ', '), 'SCHEMA'
     FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
     WHERE a.grantee = 0 AND a.privilege_type = 'CREATE' AND (n.nspname = ANY ($1) OR n.nspname = 'public')
     GROUP BY 1
     ORDER BY 1`,
    [schemas],
  );
  return rows.map(({ object, rights, kind }) => ({
    check: 'public-grants',
    state: kind === 'TABLE' ? 'critical' : 'warning',
    object,
    problem: `everybody who can connect has ${rights}`,
    fix: `REVOKE ${rights} ON ${kind} ${object} FROM PUBLIC;`,
  }));
}
