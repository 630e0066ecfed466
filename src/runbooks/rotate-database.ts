import { z } from 'zod';
import { defineRunbook } from './engine/definition.js';
import { lock, oldSessions, soak, undoLock, verifyLocked } from './support/retire-login.js';
import {
  checkManagement,
  planAlternating,
  prepare,
  prove,
  setNextPassword,
  store,
  undoNextPassword,
  undoPrepare,
  verifyNextPassword,
  verifyPrepared,
  verifyUnprepared,
} from './support/rotate-database.js';
import {
  cutOverStep,
  finishStep,
  gapStep,
  sinksStep,
  storeStep,
} from './support/rotation-steps.js';

const kind = 'database';

const inputs = z.strictObject({
  endSessions: z
    .boolean()
    .default(false)
    .describe('End the sessions of the old login when it is locked, instead of waiting for them.'),
});

export default defineRunbook({
  module: import.meta.url,
  id: 'rotate-database',
  title: 'Rotate the login of the database',
  summary:
    'Two login roles take turns: the idle one gets a new password and the rights of the other, every sink is switched to it, and the old one is locked when nobody uses it any more. At no moment does a sink hand out a login that does not work.',
  symptoms: [
    'the database password is too old',
    'password older than 90 days',
    'the database password has leaked',
    'rotate the database password',
    'credential review',
    'somebody who knew the password has left',
  ],
  tags: ['database', 'credentials', 'security'],
  roles: ['admin'],
  risk: 'change',
  inputs,
  targets: () => ['credential=database'],
  steps: [
    {
      kind: 'check',
      id: 'management',
      title: 'Who is in use, who takes over, and may we manage them?',
      why: 'A right that is missing is found now and not in the middle.',
      manual: () =>
        'psql "$REVIEWOPS_DATABASE_ADMIN_URL" -c "SELECT rolname, rolcanlogin, rolvaliduntil FROM pg_roles WHERE rolcanlogin"',
      must: true,
      run: checkManagement,
    },
    gapStep(
      'The second of two rotations in a row takes away the login that slow consumers still use.',
    ),
    sinksStep(kind, {
      why: 'A sink that fails after the password was changed is how people lock themselves out.',
      manual: () => 'ls -l .env',
    }),
    {
      kind: 'plan',
      id: 'plan',
      title: 'Compare the two roles',
      why: 'What was granted to one login since the last rotation is missing from the other. Grants, ownership, default privileges and settings are compared, and each difference is shown with the statement that repairs it.',
      manual: () => 'psql "$REVIEWOPS_DATABASE_ADMIN_URL" -c "\\du" -c "\\ddp" -c "\\drds"',
      run: planAlternating,
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the rotation',
      why: 'Everything that follows can be taken back with `runbook resume RUN --undo` until it has ended.',
      manual: () => 'reviewops credentials rotate database --yes',
      name: () => 'database',
      question: ({ plan }) => `${plan?.summary}`,
    },
    {
      kind: 'act',
      id: 'prepare',
      title: 'Give both roles the same rights',
      why: 'The new password is made and kept, sealed, in the state directory before anything knows of it: whatever happens now, it is not lost. The repairs are one transaction.',
      manual: () => 'psql "$REVIEWOPS_DATABASE_ADMIN_URL" -1 -f repairs.sql',
      run: prepare,
      verify: verifyPrepared,
      undo: undoPrepare,
      undone: verifyUnprepared,
    },
    {
      kind: 'act',
      id: 'set-password',
      title: 'Set the password of the idle role',
      why: 'The server is told a SCRAM verifier that is computed here: the password itself travels in no statement and stands in no log. Nobody uses this role yet.',
      manual: () => 'psql "$REVIEWOPS_DATABASE_ADMIN_URL" -c "\\password NEXT_ROLE"',
      run: setNextPassword,
      verify: verifyNextPassword,
      undo: undoNextPassword,
    },
    storeStep(kind, {
      title: 'Store the new login in every sink',
      why: 'Beside the old one, where no consumer looks. When one sink fails, the new login is removed from all and locked.',
      manual: () => 'reviewops credentials status',
      run: store,
    }),
    {
      kind: 'check',
      id: 'prove',
      title: 'Does the new login work?',
      why: 'Several times in a row: one success proves nothing.',
      manual: () => 'psql "$NEW_URL" -c "SELECT session_user, current_user"',
      must: true,
      run: prove,
    },
    cutOverStep(kind, {
      title: 'Hand the new login out',
      why: 'Both logins work now. When one sink fails, all get the old one back.',
      manual: () => 'reviewops credentials verify',
    }),
    {
      kind: 'wait',
      id: 'soak',
      title: 'Let every consumer read the new login',
      why: 'Programs read their settings when they start, or now and then.',
      manual: () => 'reviewops credentials rotate database --continue',
      ready: soak,
    },
    {
      kind: 'wait',
      id: 'sessions',
      title: 'Is anybody still logged in with the old one?',
      why: 'A lock does not end sessions; but their programs cannot connect anew. They are named, and ended only on request.',
      manual: () =>
        'psql "$REVIEWOPS_DATABASE_ADMIN_URL" -c "SELECT pid, usename, application_name, client_addr FROM pg_stat_activity WHERE usename = \'OLD_ROLE\'"',
      ready: oldSessions,
    },
    {
      kind: 'act',
      id: 'lock',
      title: 'Lock the old login',
      why: 'Only while every sink hands out the new one and it works. What the old role was granted meanwhile, the new one gets, too.',
      manual: () => 'psql "$REVIEWOPS_DATABASE_ADMIN_URL" -c "ALTER ROLE old_role NOLOGIN"',
      run: lock,
      verify: verifyLocked,
      undo: undoLock,
    },
    finishStep(kind),
  ],
});
