import type { DatabaseClient } from '../../database/client.js';
import { quoteIdentifier } from '../../database/identifiers.js';
import { type Difference, differences } from './rights.js';
import { ownedBy, readRoles } from './roles.js';

/** Two login roles that take turns, and the role that owns what they work with. */
export interface Alternates {
  /** The one that is in use. */
  active: string;
  /** The one that will be. */
  next: string;
  owner: string;
}

/** Something to repair before the next role can take over, with the statement that does it. */
export interface Repair {
  what: string;
  statement: string;
}

/**
 * What differs between the two login roles, or belongs to one of them and not to the owner. The
 * statements are in the order in which they work.
 */
export async function repairsOf(client: DatabaseClient, roles: Alternates): Promise<Repair[]> {
  const { active, next, owner } = roles;
  const [a, n, o] = [active, next, owner].map(quoteIdentifier);
  const known = await readRoles(client, [next, owner]);
  const repairs: Repair[] = [];
  if (!known.has(owner)) {
    repairs.push({ what: `role ${owner} does not exist`, statement: `CREATE ROLE ${o} NOLOGIN` });
  } else if (known.get(owner)?.login === true) {
    repairs.push({ what: `${owner} can log in`, statement: `ALTER ROLE ${o} NOLOGIN` });
  }
  if (!known.has(next)) {
    repairs.push({ what: `role ${next} does not exist`, statement: `CREATE ROLE ${n} NOLOGIN` });
  }
  for (const [role, quoted] of [
    [active, a],
    [next, n],
  ] as const) {
    if (!(await isMember(client, role, owner))) {
      repairs.push({
        what: `${role} is no member of ${owner}`,
        statement: `GRANT ${o} TO ${quoted}`,
      });
    }
    const owned = known.has(role) || role === active ? await ownedBy(client, role) : [];
    if (owned.length > 0) {
      repairs.push({
        what: `${role} owns ${several(owned)}`,
        statement: `REASSIGN OWNED BY ${quoted} TO ${o}`,
      });
    }
    if (!(await worksAs(client, role, owner))) {
      repairs.push({
        what: `what ${role} makes would belong to it`,
        statement: `ALTER ROLE ${quoted} SET role = ${o}`,
      });
    }
  }
  // Sessions work as the owner: what one login was granted by itself has to be the owner's, too.
  for (const one of await differences(client, active, owner)) {
    if (one.state === 'extra' || isOf(owner, o, one) || !lastsBeyondLogin(one)) continue;
    repairs.push({ what: `${owner} lacks: ${one.what}`, statement: one.statement });
  }
  for (const one of await differences(client, active, next)) {
    // Said and cured above, for both of them.
    if (isOf(owner, o, one)) continue;
    const what =
      one.state === 'missing' ? `${next} lacks: ${one.what}` : `only ${next} has: ${one.what}`;
    repairs.push({ what, statement: one.statement });
  }
  return repairs;
}

/** The membership in the owner, and the setting that makes sessions begin as it. */
const isOf = (owner: string, quoted: string | undefined, { kind, what }: Difference): boolean =>
  (kind === 'setting' && what.startsWith('role = ')) ||
  [owner, quoted].some((name) => what.startsWith(`member of ${name} (`));

/** Settings and limits hold for whoever logs in; rights for whoever works. */
const lastsBeyondLogin = ({ kind, what }: Difference): boolean =>
  kind === 'grant' ||
  kind === 'membership' ||
  (kind === 'attribute' && /^(superuser|may |bypasses )/.test(what)) ||
  (kind === 'default' && !what.includes(' that it makes'));

const several = (names: readonly string[]): string =>
  names.length <= 3
    ? names.join(', ')
    : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;

async function isMember(client: DatabaseClient, role: string, of: string): Promise<boolean> {
  const rows = await client.query(
    `SELECT FROM pg_auth_members m
     JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
     WHERE r.rolname = $1 AND g.rolname = $2`,
    [role, of],
  );
  return rows.length > 0;
}

/** Whether sessions of the role begin as the owner, so that what they make is the owner's. */
async function worksAs(client: DatabaseClient, role: string, owner: string): Promise<boolean> {
  const rows = await client.query(
    `SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) config
     WHERE r.rolname = $1 AND s.setdatabase = 0
       AND config IN ('role=' || $2::text, 'role=' || quote_ident($2::text))`,
    [role, owner],
  );
  return rows.length > 0;
}

/** Makes the repairs, all of them or none; gives how many. */
export async function align(client: DatabaseClient, repairs: readonly Repair[]): Promise<number> {
  await client.transaction(async () => {
    for (const { statement } of repairs) await client.execute(statement);
  });
  return repairs.length;
}
