import type { DatabaseClient } from '../../database/client.js';

/** Something that a login role has, as the statement that gives it to another. */
export interface Right {
  /** What it is, in words that do not name the role: equal texts are equal rights. */
  what: string;
  kind: 'membership' | 'attribute' | 'setting' | 'grant' | 'default';
  /** Gives it to the role it was asked for. */
  give: string;
  /** Takes it from that role; empty where that is nobody's business. */
  take: string;
}

/** Variables whose values are lists: they are stored quoted as a statement takes them. */
const lists = [
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
];

/** What of a membership is given; options came with version 16. */
const membershipsOf = (version: number): string =>
  version >= 160000
    ? `SELECT 'membership' AS kind,
              format('member of %I (admin %s, inherit %s, set %s)', g.rolname,
                     m.admin_option, m.inherit_option, m.set_option) AS what,
              format('GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s', g.rolname, $2::text,
                     upper(m.admin_option::text), upper(m.inherit_option::text), upper(m.set_option::text)) AS give,
              format('REVOKE %I FROM %I', g.rolname, $2::text) AS take
       FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid, subject
       WHERE m.member = subject.oid AND g.rolname <> $2::text`
    : `SELECT 'membership' AS kind, format('member of %I (admin %s)', g.rolname, m.admin_option) AS what,
              format('GRANT %I TO %I%s', g.rolname, $2::text,
                     CASE WHEN m.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END) AS give,
              format('REVOKE %I FROM %I', g.rolname, $2::text) AS take
       FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid, subject
       WHERE m.member = subject.oid AND g.rolname <> $2::text`;

/**
 * An access list's entries for the role, as GRANTs on the objects of one catalog. What an owner may
 * do with its own goes with the ownership.
 */
const granted = (object: string, from: string, acl: string, owner: string): string =>
  `SELECT 'grant' AS kind,
          format('%s on %s%s', a.privilege_type, ${object}, CASE WHEN a.is_grantable THEN ', may grant it' ELSE '' END) AS what,
          format('GRANT %s ON %s TO %I%s', a.privilege_type, ${object}, $2::text,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS give,
          format('REVOKE %s ON %s FROM %I', a.privilege_type, ${object}, $2::text) AS take
   FROM ${from} CROSS JOIN LATERAL aclexplode(${acl}) a, subject
   WHERE a.grantee = subject.oid AND a.grantee <> ${owner}`;

const grants = [
  granted(
    `CASE WHEN c.relkind = 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || format('%I.%I', n.nspname, c.relname)`,
    'pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace',
    'c.relacl',
    'c.relowner',
  ),
  `SELECT 'grant' AS kind,
          format('%s (%I) on TABLE %I.%I%s', a.privilege_type, t.attname, n.nspname, c.relname,
                 CASE WHEN a.is_grantable THEN ', may grant it' ELSE '' END) AS what,
          format('GRANT %s (%I) ON TABLE %I.%I TO %I%s', a.privilege_type, t.attname, n.nspname, c.relname, $2::text,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS give,
          format('REVOKE %s (%I) ON TABLE %I.%I FROM %I', a.privilege_type, t.attname, n.nspname, c.relname, $2::text) AS take
   FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   CROSS JOIN LATERAL aclexplode(t.attacl) a, subject
   WHERE a.grantee = subject.oid AND a.grantee <> c.relowner AND NOT t.attisdropped`,
  granted(`format('SCHEMA %I', n.nspname)`, 'pg_namespace n', 'n.nspacl', 'n.nspowner'),
  granted(
    `'ROUTINE ' || f.oid::regprocedure::text`,
    'pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace',
    'f.proacl',
    'f.proowner',
  ),
  granted(`'TYPE ' || y.oid::regtype::text`, 'pg_type y', 'y.typacl', 'y.typowner'),
  granted(`format('DATABASE %I', d.datname)`, 'pg_database d', 'd.datacl', 'd.datdba'),
  granted(`format('LANGUAGE %I', l.lanname)`, 'pg_language l', 'l.lanacl', 'l.lanowner'),
  granted(
    `format('FOREIGN SERVER %I', s.srvname)`,
    'pg_foreign_server s',
    's.srvacl',
    's.srvowner',
  ),
  granted(
    `format('FOREIGN DATA WRAPPER %I', w.fdwname)`,
    'pg_foreign_data_wrapper w',
    'w.fdwacl',
    'w.fdwowner',
  ),
  granted(`format('TABLESPACE %I', b.spcname)`, 'pg_tablespace b', 'b.spcacl', 'b.spcowner'),
  granted(
    `format('LARGE OBJECT %s', o.oid)`,
    'pg_largeobject_metadata o',
    'o.lomacl',
    'o.lomowner',
  ),
];

/** What the role gets of objects that others make, and what others get of those it makes. */
const defaults = `
  SELECT 'default' AS kind,
         format('%s on new %s%s%s', a.privilege_type, t.name, coalesce(' in ' || n.nspname, ''),
                CASE WHEN d.defaclrole = subject.oid THEN ' that it makes, for ' || coalesce(nullif(g.rolname, $1::text), 'itself')
                     ELSE ' of ' || m.rolname END) AS what,
         format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s GRANT %s ON %s TO %s%s',
                CASE WHEN d.defaclrole = subject.oid THEN $2::text ELSE m.rolname END,
                coalesce(' IN SCHEMA ' || quote_ident(n.nspname), ''), a.privilege_type, t.name,
                CASE WHEN a.grantee = 0 THEN 'PUBLIC' WHEN a.grantee = subject.oid THEN quote_ident($2::text) ELSE quote_ident(g.rolname) END,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS give,
         format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s',
                CASE WHEN d.defaclrole = subject.oid THEN $2::text ELSE m.rolname END,
                coalesce(' IN SCHEMA ' || quote_ident(n.nspname), ''), a.privilege_type, t.name,
                CASE WHEN a.grantee = 0 THEN 'PUBLIC' WHEN a.grantee = subject.oid THEN quote_ident($2::text) ELSE quote_ident(g.rolname) END) AS take
  FROM pg_default_acl d JOIN pg_roles m ON m.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  CROSS JOIN LATERAL aclexplode(d.defaclacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
  CROSS JOIN LATERAL (SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
                                                 WHEN 'T' THEN 'TYPES' WHEN 'L' THEN 'LARGE OBJECTS' ELSE 'SCHEMAS' END AS name) t, subject
  WHERE d.defaclrole = subject.oid OR a.grantee = subject.oid`;

const settings = `
  SELECT 'setting' AS kind,
         format('%s = %s%s', s.name, s.value, coalesce(' in ' || d.datname, '')) AS what,
         format('ALTER ROLE %I%s SET %s = %s', $2::text, coalesce(' IN DATABASE ' || quote_ident(d.datname), ''), s.name,
                CASE WHEN s.name = ANY ($3::text[]) THEN s.value ELSE quote_literal(s.value) END) AS give,
         format('ALTER ROLE %I%s RESET %s', $2::text, coalesce(' IN DATABASE ' || quote_ident(d.datname), ''), s.name) AS take
  FROM pg_db_role_setting r LEFT JOIN pg_database d ON d.oid = r.setdatabase
  CROSS JOIN LATERAL unnest(r.setconfig) config
  CROSS JOIN LATERAL (SELECT split_part(config, '=', 1) AS name, substr(config, strpos(config, '=') + 1) AS value) s, subject
  WHERE r.setrole = subject.oid`;

/** Attributes that are not the default; what a login role must have anyway is left out. */
const attributes = `
  SELECT 'attribute' AS kind, v.what, format('ALTER ROLE %I %s', $2::text, v.give) AS give,
         format('ALTER ROLE %I %s', $2::text, v.take) AS take
  FROM subject CROSS JOIN LATERAL (VALUES
    (subject.rolsuper, 'superuser', 'SUPERUSER', 'NOSUPERUSER'),
    (subject.rolcreatedb, 'may create databases', 'CREATEDB', 'NOCREATEDB'),
    (subject.rolcreaterole, 'may create roles', 'CREATEROLE', 'NOCREATEROLE'),
    (subject.rolreplication, 'may replicate', 'REPLICATION', 'NOREPLICATION'),
    (subject.rolbypassrls, 'bypasses row security', 'BYPASSRLS', 'NOBYPASSRLS'),
    (NOT subject.rolinherit, 'does not inherit', 'NOINHERIT', 'INHERIT'),
    (subject.rolconnlimit <> -1, 'at most ' || subject.rolconnlimit || ' connections',
     'CONNECTION LIMIT ' || subject.rolconnlimit, 'CONNECTION LIMIT -1')
  ) v (applies, what, give, take)
  WHERE v.applies`;

/**
 * Everything a role has, with the statements that give it to `target` or take it from there. Of
 * objects, those of the connected database.
 */
export async function rightsOf(
  client: DatabaseClient,
  role: string,
  target: string,
): Promise<Right[]> {
  const [server] = await client.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int AS version",
  );
  const parts = [membershipsOf(server?.version ?? 0), attributes, settings, defaults, ...grants];
  return client.query<Right & Record<string, unknown>>(
    `WITH subject AS (SELECT * FROM pg_roles WHERE rolname = $1::text)
     SELECT DISTINCT kind, what, give, take
     FROM (${parts.join('\nUNION ALL\n')}) everything
     WHERE $3::text[] IS NOT NULL
     ORDER BY kind, what`,
    [role, target, lists],
  );
}

/** What one role has and another has not, and what only the other has. */
export interface Difference {
  what: string;
  kind: Right['kind'];
  /** `missing`: the next role lacks it. `extra`: only the next role has it. */
  state: 'missing' | 'extra';
  statement: string;
}

/** How `next` differs from `active`, with the statements that make it the same. */
export async function differences(
  client: DatabaseClient,
  active: string,
  next: string,
): Promise<Difference[]> {
  const wanted = await rightsOf(client, active, next);
  const present = await rightsOf(client, next, next);
  const has = new Set(present.map(({ what }) => what));
  const wants = new Set(wanted.map(({ what }) => what));
  const missing = wanted.filter(({ what }) => !has.has(what));
  const extra = present.filter(({ what, take }) => !wants.has(what) && take !== '');
  return [
    // First what goes: a connection limit or a setting may be in the way of what comes.
    ...extra.map(
      ({ what, kind, take }): Difference => ({ what, kind, state: 'extra', statement: take }),
    ),
    ...missing.map(
      ({ what, kind, give }): Difference => ({ what, kind, state: 'missing', statement: give }),
    ),
  ];
}
