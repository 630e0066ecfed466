import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, failed, refused } from '../system/errors.js';
import { makeDirectory, syncDirectory, writeFileAtomic } from '../system/files.js';
import { credentialsDirectory, describeStateError, seal, unseal } from './seal.js';

export type CredentialKind = 'aws' | 'database';

/** What is handed out, by the name under which it is: `NEON_DB_URL`, `AWS_ACCESS_KEY_ID` … */
export type Values = Record<string, string>;

/** The moments of a rotation, ISO 8601; absent until they have come. */
export interface Moments {
  /** The new credential exists where it is used against. */
  created?: string;
  stored?: string;
  cutOver?: string;
  /** The old one was locked or deactivated. */
  revoked?: string;
}

/**
 * A rotation that is under way: what the next command needs after a crash or after days. Written
 * before what it speaks of happens. The secrets in it are sealed.
 */
export interface Rotation {
  kind: CredentialKind;
  runId: string;
  /** Ids that are no secret: access keys, roles. */
  from: string;
  to: string | null;
  moments: Moments;
  /** Sessions of the old login may be ended when it is locked. */
  endSessions: boolean;
  /** As sinks held it before; what an undo puts back. */
  old: Values | undefined;
  /** As sinks are to hold it; undefined until it exists. */
  fresh: Values | undefined;
  /** What belongs to the new credential and is in no sink: the password a URL is made of. */
  secret: string | undefined;
}

interface StoredRotation extends Omit<Rotation, 'old' | 'fresh' | 'secret'> {
  format: 1;
  sealed: string;
}

const pathOf = (home: string, kind: CredentialKind): string =>
  join(credentialsDirectory(home), `${kind}.json`);

/** Tells of each secret that is read, before anything can show it. */
export type OnSecret = (value: string) => void;

/**
 * The rotation under way; undefined when there is none.
 *
 * @throws ROTATION_DAMAGED, SEAL_BROKEN (exit 1)
 */
export async function readRotation(
  home: string,
  kind: CredentialKind,
  onSecret: OnSecret,
): Promise<Rotation | undefined> {
  const stored = await readStored(home, kind);
  if (stored === undefined) return undefined;
  const { sealed, format: _, ...rest } = stored;
  const secrets = JSON.parse(await unseal(home, sealed, purposeOf(stored))) as Pick<
    Rotation,
    'old' | 'fresh' | 'secret'
  >;
  const rotation = {
    ...rest,
    old: secrets.old,
    fresh: secrets.fresh,
    secret: secrets.secret,
  };
  for (const value of secretsOf(rotation)) onSecret(value);
  return rotation;
}

/** The same without its secrets, for who only looks. */
export async function readRotationState(
  home: string,
  kind: CredentialKind,
): Promise<Omit<StoredRotation, 'sealed' | 'format'> | undefined> {
  const stored = await readStored(home, kind);
  if (stored === undefined) return undefined;
  const { sealed: _sealed, format: _format, ...state } = stored;
  return state;
}

async function readStored(home: string, kind: CredentialKind): Promise<StoredRotation | undefined> {
  const path = pathOf(home, kind);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw describeStateError(error, path);
  }
  try {
    return JSON.parse(text) as StoredRotation;
  } catch (cause) {
    throw failed('ROTATION_DAMAGED', `${path} cannot be read.`, {
      hint: 'Restore it from a backup. The credential in use is not touched by this.',
      cause,
    });
  }
}

/** Everything in it that must not be shown. */
function secretsOf({ old, fresh, secret }: Pick<Rotation, 'old' | 'fresh' | 'secret'>): string[] {
  const values = [old, fresh].flatMap((one) => Object.entries(one ?? {}));
  return [
    ...values.filter(([name]) => !isPublic(name)).map(([, value]) => value),
    ...(secret === undefined ? [] : [secret]),
  ];
}

/** The id of an access key is no secret: logs and policies name it. */
export const isPublic = (name: string): boolean => name === 'AWS_ACCESS_KEY_ID';

const purposeOf = ({ kind, runId }: Pick<Rotation, 'kind' | 'runId'>): string =>
  `rotation of ${kind}, ${runId}`;

/** Writes it, in one step and durably. */
export async function writeRotation(home: string, rotation: Rotation): Promise<void> {
  const { old, fresh, secret, ...rest } = rotation;
  const path = pathOf(home, rotation.kind);
  try {
    await makeDirectory(credentialsDirectory(home), 0o700);
    const sealed = await seal(home, JSON.stringify({ old, fresh, secret }), purposeOf(rotation));
    const stored: StoredRotation = { format: 1, ...rest, sealed };
    await writeFileAtomic(path, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw describeStateError(error, path);
  }
}

/** Forgets it, secrets and all. */
export async function removeRotation(home: string, kind: CredentialKind): Promise<void> {
  const path = pathOf(home, kind);
  try {
    await rm(path, { force: true });
    await syncDirectory(credentialsDirectory(home));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw describeStateError(error, path);
  }
}

/** @throws ROTATION_UNDER_WAY (exit 3) when another run's rotation has not ended */
export async function requireNoOther(
  home: string,
  kind: CredentialKind,
  runId: string,
): Promise<void> {
  const state = await readRotationState(home, kind);
  if (state === undefined || state.runId === runId) return;
  throw refused(
    'ROTATION_UNDER_WAY',
    `Run ${state.runId} has begun to rotate this credential and has not ended.`,
    {
      hint: `Go on with \`reviewops credentials rotate ${kind} --continue\`, or take it back with \`reviewops credentials rotate ${kind} --undo\`.`,
    },
  );
}
