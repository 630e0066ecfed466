import { identify } from '../../credentials/aws/identity.js';
import { UserKeys } from '../../credentials/aws/keys.js';
import { loginOf } from '../../credentials/database/login-url.js';
import { readRoles, sessionsOf } from '../../credentials/database/roles.js';
import { type LedgerEntry, madeAt, noteCredential, readLedger } from '../../credentials/ledger.js';
import { type CredentialKind, readRotationState } from '../../credentials/record.js';
import {
  type CredentialStatus,
  judgeCredential,
  type RotationStatus,
  type StatusReport,
} from '../../credentials/status.js';
import { currentValues } from '../../credentials/store.js';
import { layers } from '../../lake/lake.js';
import { errorMessage, isOperatorError } from '../../system/errors.js';
import { readRun } from '../engine/history.js';
import { awsAccess, ownAccess } from './aws-access.js';
import { keyNames } from './aws-preflight.js';
import type { AnyContext } from './context.js';
import { asAdmin, findUrl } from './database-logins.js';
import { sinksOf } from './rotation.js';

/** Every credential that rotates here, and the rotations under way. What cannot be seen is unknown. */
export async function credentialStatus(context: AnyContext): Promise<StatusReport> {
  const ledger = await readLedger(context.services.home);
  const credentials = [
    ...(await unlessUnknown('database', context, () => databaseStatus(context, ledger))),
    ...(await unlessUnknown('aws', context, () => awsStatus(context, ledger))),
  ];
  const rotations: RotationStatus[] = [];
  for (const kind of ['database', 'aws'] as const) {
    const rotation = await rotationStatus(context, kind);
    if (rotation !== undefined) rotations.push(rotation);
  }
  return { credentials, rotations };
}

const thresholdOf = (context: AnyContext, kind: CredentialKind) => {
  const { accessKeyDays, passwordDays } = context.services.config.health;
  return kind === 'aws' ? accessKeyDays : passwordDays;
};

async function unlessUnknown(
  kind: CredentialKind,
  context: AnyContext,
  work: () => Promise<CredentialStatus[]>,
): Promise<CredentialStatus[]> {
  try {
    return await work();
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    return [
      {
        kind,
        id: 'unknown',
        state: 'unknown',
        summary: errorMessage(error),
        ageDays: null,
        lastUsedAt: null,
        nextDue: null,
        inUse: false,
        threshold: thresholdOf(context, kind),
      },
    ];
  }
}

async function databaseStatus(
  context: AnyContext,
  ledger: readonly LedgerEntry[],
): Promise<CredentialStatus[]> {
  const { services } = context;
  const threshold = thresholdOf(context, 'database');
  const url = await findUrl(context);
  if (url === undefined) return [];
  const { roles } = services.config.credentials.database;
  const { user } = loginOf(url);
  const others = roles.filter((role) => role !== user);
  const { known, sessions } = await asAdmin(context, async (client) => ({
    known: await readRoles(client, [user, ...others]),
    sessions: await sessionsOf(client, user),
  }));
  const seen = madeAt(ledger, 'database', user);
  const day = services.config.health.databasePasswordSetOn;
  const made =
    seen !== undefined ? new Date(seen.madeAt) : day !== undefined ? new Date(day) : undefined;
  const active = judgeCredential(
    {
      kind: 'database',
      id: user,
      madeAt: made,
      source:
        seen !== undefined
          ? 'rotated here'
          : day !== undefined
            ? 'health.databasePasswordSetOn'
            : 'nothing says when it was set (health.databasePasswordSetOn)',
      // PostgreSQL keeps no last login: only whether somebody is logged in now.
      lastUsedAt: sessions.length > 0 ? services.now().toISOString() : null,
    },
    threshold,
    services.now(),
  );
  const until = known.get(user)?.validUntil;
  return [
    until == null ? active : { ...active, summary: `${active.summary}, valid until ${until}` },
    ...others.map((role) => idleRole(role, known.get(role)?.login, threshold)),
  ];
}

const idleRole = (
  id: string,
  login: boolean | undefined,
  threshold: CredentialStatus['threshold'],
): CredentialStatus => ({
  kind: 'database',
  id,
  state: login === true ? 'warning' : 'ok',
  summary:
    login === undefined
      ? 'does not exist yet; the next rotation makes it'
      : login
        ? 'not handed out, and can log in'
        : 'locked; takes over at the next rotation',
  ageDays: null,
  lastUsedAt: null,
  nextDue: null,
  inUse: false,
  threshold,
});

/** Whether a key of AWS is anybody's business here. */
const usesAws = ({ services }: AnyContext): boolean => {
  const { lake, credentials } = services.config;
  const onS3 = layers.some((layer) => (lake.layers[layer].kind ?? lake.kind) === 's3');
  return onS3 || credentials.aws.sinks.length > 0 || credentials.aws.user !== undefined;
};

async function awsStatus(
  context: AnyContext,
  ledger: readonly LedgerEntry[],
): Promise<CredentialStatus[]> {
  if (!usesAws(context)) return [];
  const { services } = context;
  const threshold = thresholdOf(context, 'aws');
  const held = await currentValues(await sinksOf(context, 'aws'), keyNames);
  const id = held?.AWS_ACCESS_KEY_ID ?? (await ownAccess(context)).key?.accessKeyId;
  try {
    const access = await awsAccess(context);
    const caller = await identify(access);
    const user = services.config.credentials.aws.user ?? caller.user;
    if (user === undefined) return [temporary(caller.arn, threshold)];
    const keys = new UserKeys(user, access);
    const statuses: CredentialStatus[] = [];
    for (const key of await keys.list()) {
      const use = await keys.lastUse(key.id);
      const lastUsedAt = use?.at.toISOString() ?? null;
      const status = judgeCredential(
        { kind: 'aws', id: key.id, madeAt: key.createdAt, source: `of ${user}`, lastUsedAt },
        threshold,
        services.now(),
      );
      const inUse = key.id === id;
      if (inUse) {
        // For whoever cannot ask IAM: the check of `health`, for one.
        const entry = { kind: 'aws', id, madeAt: key.createdAt.toISOString() } as const;
        if (madeAt(ledger, 'aws', id) === undefined) {
          await noteCredential(services.home, { ...entry, by: 'seen' });
        }
      }
      statuses.push(inUse ? status : notInUse(status, key.active));
    }
    return statuses;
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED' || id === undefined) throw error;
    return [
      judgeCredential(
        { kind: 'aws', id, lastUsedAt: null, ...knownOf(context, ledger, id, error.message) },
        threshold,
        services.now(),
      ),
    ];
  }
}

/** What is known of a key without IAM. */
function knownOf(
  { services }: AnyContext,
  ledger: readonly LedgerEntry[],
  id: string,
  problem: string,
): { madeAt: Date | undefined; source: string } {
  const seen = madeAt(ledger, 'aws', id);
  if (seen !== undefined) return { madeAt: new Date(seen.madeAt), source: 'seen here before' };
  const day = services.config.health.accessKeySetOn;
  return day === undefined
    ? { madeAt: undefined, source: problem }
    : { madeAt: new Date(day), source: 'health.accessKeySetOn' };
}

const notInUse = (status: CredentialStatus, active: boolean): CredentialStatus => ({
  ...status,
  inUse: false,
  nextDue: null,
  state: active ? 'warning' : 'ok',
  summary: `${status.summary}; ${active ? 'active, and no sink hands it out' : 'inactive'}`,
});

const temporary = (arn: string, threshold: CredentialStatus['threshold']): CredentialStatus => ({
  kind: 'aws',
  id: arn,
  state: 'ok',
  summary: 'temporary credentials, which end by themselves',
  ageDays: null,
  lastUsedAt: null,
  nextDue: null,
  inUse: true,
  threshold,
});

async function rotationStatus(
  { services }: AnyContext,
  kind: CredentialKind,
): Promise<RotationStatus | undefined> {
  const rotation = await readRotationState(services.home, kind);
  if (rotation === undefined) return undefined;
  const { runId, from, to, moments } = rotation;
  const { run } = await readRun(services.home, runId, services.now());
  return {
    kind,
    runId,
    from,
    to,
    moments,
    state: run?.state ?? 'unknown',
    reason: run?.reason ?? null,
    due: run?.due ?? null,
  };
}
