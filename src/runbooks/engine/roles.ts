import type { Role } from '../../config/runbook-schema.js';
import type { Config } from '../../config/schema.js';
import { refused } from '../../system/errors.js';
import { isAmong } from './approval.js';
import type { Runbook } from './definition.js';

/** The roles of a person. `Ada` and `ada ` are one person. */
function rolesOf(person: string, { roles, others }: Config['operators']): readonly Role[] {
  const entry = Object.entries(roles).find(([name]) => isAmong(person, [name]));
  return entry === undefined ? others : entry[1];
}

/**
 * Refuses a runbook that changes something to a person without one of its roles. An admin may run
 * every runbook, and everybody those that only read.
 *
 * @throws ROLE_MISSING (exit 3)
 */
export function requireRole(
  { id, risk, roles }: Pick<Runbook, 'id' | 'risk' | 'roles'>,
  person: string,
  operators: Config['operators'],
): void {
  if (risk === 'read') return;
  const own = rolesOf(person, operators);
  if (own.includes('admin') || own.some((role) => roles.includes(role))) return;
  throw refused(
    'ROLE_MISSING',
    `Runbook ${id} is for ${[...new Set([...roles, 'admin'])].join(', ')}; ${person} is ${own.length === 0 ? 'none of them' : own.join(', ')}.`,
    {
      hint: 'Have one of them run or approve it (--dry-run shows the plan to everybody), or change operators.roles of the configuration.',
    },
  );
}
