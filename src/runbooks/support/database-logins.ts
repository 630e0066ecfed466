import { canLogIn, type LoginOptions } from '../../credentials/database/login.js';
import { loginOf } from '../../credentials/database/login-url.js';
import { readLedger } from '../../credentials/ledger.js';
import type { Rotation, Values } from '../../credentials/record.js';
import { currentValues } from '../../credentials/store.js';
import { type DatabaseClient, withClient } from '../../database/client.js';
import type { DatabaseTarget } from '../../database/target.js';
import { externalTarget } from '../../database/url.js';
import { isOperatorError, refused } from '../../system/errors.js';
import type { Finding } from '../engine/definition.js';
import type { AnyContext } from './context.js';
import { hoursAfter, sinksOf } from './rotation.js';
import { hideValues } from './secrets.js';

const kind = 'database';

export const settingsOf = (context: AnyContext) => context.services.config.credentials.database;

export const loginOptions = ({ services, signal }: AnyContext): LoginOptions => ({
  settings: services.config.database,
  signal,
});

export const urlOf = (context: AnyContext, values: Values | undefined): string =>
  values?.[settingsOf(context).variable] ?? '';

export const adminVariable = 'REVIEWOPS_DATABASE_ADMIN_URL';

/** The connection that manages roles, of its own URL; undefined where none is set. */
async function adminTarget(context: AnyContext): Promise<DatabaseTarget | undefined> {
  const { lookup } = await context.services.surroundings();
  const admin = lookup(adminVariable)?.value;
  return admin === undefined ? undefined : externalTarget(admin);
}

async function connected<T>(
  context: AnyContext,
  target: DatabaseTarget,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const { readOnly } = context;
  const options = { purpose: 'rotate credential', readOnly, ...loginOptions(context) };
  return withClient(target, options, work);
}

/** Works as the one who manages roles: by the URL of its own, else as the login in use. */
export async function asAdmin<T>(
  context: AnyContext,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const target = (await adminTarget(context)) ?? (await context.services.database());
  return connected(context, target, work);
}

/** Works as the one who manages roles, else as the role itself, by whichever password it has now. */
export async function asItself<T>(
  context: AnyContext,
  rotation: Rotation,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const admin = await adminTarget(context);
  if (admin !== undefined) return connected(context, admin, work);
  const fresh = urlOf(context, rotation.fresh);
  const isNew = fresh !== '' && (await canLogIn(fresh, loginOptions(context)));
  return connected(context, externalTarget(isNew ? fresh : urlOf(context, rotation.old)), work);
}

/** The URL that consumers log in with now; undefined for the embedded server alone. */
export async function findUrl(context: AnyContext): Promise<string | undefined> {
  const { variable } = settingsOf(context);
  const { lookup } = await context.services.surroundings();
  const held = await currentValues(await sinksOf(context, kind), [variable]);
  const url = held?.[variable] ?? lookup(variable)?.value ?? (await context.services.databaseUrl());
  if (url !== undefined) {
    hideValues(context, { [variable]: url, password: loginOf(url).password ?? url });
  }
  return url;
}

/** @throws NOTHING_TO_ROTATE (exit 3) */
export async function currentUrl(context: AnyContext): Promise<string> {
  const url = await findUrl(context);
  if (url !== undefined) return url;
  throw refused(
    'NOTHING_TO_ROTATE',
    'No database URL is handed out: the password of the embedded server is known to this machine only.',
    {
      hint: `Put ${settingsOf(context).variable} into a sink (credentials.database.sinks), or set it in .env.`,
    },
  );
}

/** Two rotations in a row take the login from consumers that have not read the first one yet. */
export async function checkGap(context: AnyContext): Promise<Finding> {
  const { minimumGapHours } = settingsOf(context);
  const last = await lastRotation(context);
  if (last === undefined) return { state: 'ok', summary: 'No rotation is known.' };
  const free = hoursAfter(last, minimumGapHours);
  if (free.getTime() > context.services.now().getTime()) {
    throw refused(
      'ROTATED_RECENTLY',
      `The last rotation was at ${last}; the next one may begin at ${free.toISOString()}.`,
      {
        hint: 'Consumers that have not read the new login yet would lose the old one, too. Wait until then (credentials.database.minimumGapHours).',
      },
    );
  }
  return { state: 'ok', summary: `The last one was at ${last}.` };
}

/** Of this state directory, or of another one that works on the same database. */
async function lastRotation(context: AnyContext): Promise<string | undefined> {
  const ours = (await readLedger(context.services.home)).find(
    (entry) => entry.kind === kind && entry.by === 'rotation',
  )?.madeAt;
  let theirs: string | undefined;
  try {
    const rows = await asAdmin(context, (client) =>
      client.query<{ at: Date | null }>(
        `SELECT max(started_at) AS at FROM maintenance.runbook_runs
         WHERE runbook IN ('rotate-database', 'rotate-password') AND NOT dry_run
           AND state IN ('running', 'waiting', 'succeeded') AND run_id <> $1`,
        [context.runId],
      ),
    );
    theirs = rows[0]?.at?.toISOString();
  } catch (error) {
    // The table may not be there, or not be ours to read; the ledger is what we have then.
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
  }
  return [ours, theirs]
    .filter((at) => at !== undefined)
    .sort()
    .at(-1);
}
