import type { DatabaseClient } from '../../database/client.js';
import { quoteIdentifier } from '../../database/identifiers.js';

export interface RoleState {
  name: string;
  login: boolean;
  superuser: boolean;
  /** ISO 8601; null when it does not end. */
  validUntil: string | null;
}

/** Those of the roles that exist, by name. */
export async function readRoles(
  client: DatabaseClient,
  names: readonly string[],
): Promise<Map<string, RoleState>> {
  const rows = await client.query<{
    name: string;
    login: boolean;
    superuser: boolean;
    until: Date | null;
  }>(
    `SELECT rolname AS name, rolcanlogin AS login, rolsuper AS superuser,
            CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END AS until
     FROM pg_roles WHERE rolname = ANY ($1)`,
    [names],
  );
  return new Map(
    rows.map(({ until, ...row }) => [
      row.name,
      { ...row, validUntil: until === null ? null : until.toISOString() },
    ]),
  );
}

/** Why the connected role may not manage these roles; undefined when it may. */
export async function managementProblem(
  client: DatabaseClient,
  roles: readonly string[],
): Promise<string | undefined> {
  const [me] = await client.query<{
    name: string;
    superuser: boolean;
    creates: boolean;
    version: number;
  }>(
    `SELECT rolname AS name, rolsuper AS superuser, rolcreaterole AS creates,
            current_setting('server_version_num')::int AS version
     FROM pg_roles WHERE rolname = current_user`,
  );
  if (me === undefined || me.superuser) return undefined;
  if (!me.creates) return `${me.name} may not manage roles (CREATEROLE)`;
  // Before version 16 that attribute was enough for every role but superusers.
  if (me.version < 160000) return undefined;
  const rows = await client.query<{ name: string }>(
    `SELECT rolname AS name FROM pg_roles
     WHERE rolname = ANY ($1) AND NOT pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION')`,
    [roles],
  );
  if (rows.length === 0) return undefined;
  const names = rows.map(({ name }) => name).join(', ');
  return `${me.name} has no ADMIN option on ${names}`;
}

/** What a login role owns in the connected database, and shared objects: kind and name. */
export async function ownedBy(client: DatabaseClient, role: string): Promise<string[]> {
  const rows = await client.query<{ object: string }>(
    `SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS object
     FROM pg_shdepend d
     WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
       AND d.classid <> 'pg_default_acl'::regclass
       AND d.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)
       AND (d.dbid = 0 OR d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
     ORDER BY 1`,
    [role],
  );
  return rows.map(({ object }) => object);
}

export interface SessionOf {
  pid: number;
  application: string;
  client: string | null;
  state: string | null;
  /** ISO 8601. */
  since: string;
}

/** Sessions of a login role, in every database. Null states where the right to look is missing. */
export async function sessionsOf(client: DatabaseClient, role: string): Promise<SessionOf[]> {
  const rows = await client.query<{
    pid: number;
    application: string;
    client: string | null;
    state: string | null;
    since: Date;
  }>(
    `SELECT pid, coalesce(application_name, '') AS application, host(client_addr) AS client, state,
            coalesce(backend_start, now()) AS since
     FROM pg_stat_activity
     WHERE usename = $1 AND pid <> pg_backend_pid()
     ORDER BY backend_start`,
    [role],
  );
  return rows.map(({ since, ...row }) => ({ ...row, since: since.toISOString() }));
}

/** Ends the sessions of a role; gives how many were told. */
export async function endSessions(client: DatabaseClient, role: string): Promise<number> {
  const rows = await client.query<{ told: boolean }>(
    `SELECT pg_terminate_backend(pid) AS told FROM pg_stat_activity
     WHERE usename = $1 AND pid <> pg_backend_pid()`,
    [role],
  );
  return rows.filter(({ told }) => told).length;
}

/** Sets the password of this verifier; with `login`, which takes more than one's own rights, lets the role log in. */
export async function setPassword(
  client: DatabaseClient,
  role: string,
  verifier: string,
  { login, validUntil }: { login: boolean; validUntil?: Date | undefined },
): Promise<void> {
  // Statements about roles take no parameters; a verifier holds no quote.
  const options = [
    ...(login ? ['LOGIN'] : []),
    `PASSWORD '${verifier}'`,
    ...(validUntil === undefined ? [] : [`VALID UNTIL '${validUntil.toISOString()}'`]),
  ];
  await client.execute(`ALTER ROLE ${quoteIdentifier(role)} ${options.join(' ')}`);
}

export const setLogin = (client: DatabaseClient, role: string, login: boolean): Promise<number> =>
  client.execute(`ALTER ROLE ${quoteIdentifier(role)} ${login ? 'LOGIN' : 'NOLOGIN'}`);
