import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../system/errors.js';
import { makeDirectory, writeFileAtomic } from '../system/files.js';
import type { CredentialKind } from './record.js';
import { credentialsDirectory, describeStateError } from './seal.js';

/** When a credential was made, as this state directory has seen it. Holds no secret. */
export interface LedgerEntry {
  kind: CredentialKind;
  /** An access key's id, a role's name. */
  id: string;
  /** ISO 8601. */
  madeAt: string;
  /** Whether a rotation of ours made it, or it was only seen. */
  by: 'rotation' | 'seen';
}

/** Entries that are kept of each kind. */
const kept = 50;

const pathOf = (home: string): string => join(credentialsDirectory(home), 'ledger.json');

/** Newest first. */
export async function readLedger(home: string): Promise<LedgerEntry[]> {
  const path = pathOf(home);
  try {
    return JSON.parse(await readFile(path, 'utf8')) as LedgerEntry[];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw describeStateError(error, path);
  }
}

/** When this credential was made; undefined when nobody here has seen it. */
export const madeAt = (
  entries: readonly LedgerEntry[],
  kind: CredentialKind,
  id: string,
): LedgerEntry | undefined => entries.find((entry) => entry.kind === kind && entry.id === id);

/** Notes it, in place of what was known of the same credential. */
export async function noteCredential(home: string, entry: LedgerEntry): Promise<void> {
  const others = (await readLedger(home)).filter(
    ({ kind, id }) => kind !== entry.kind || id !== entry.id,
  );
  const entries = [entry, ...others].sort((a, b) => (a.madeAt < b.madeAt ? 1 : -1));
  const same = entries.filter(({ kind }) => kind === entry.kind).slice(0, kept);
  const rest = entries.filter(({ kind }) => kind !== entry.kind);
  await makeDirectory(credentialsDirectory(home), 0o700);
  const text = `${JSON.stringify([...same, ...rest], null, 2)}\n`;
  await writeFileAtomic(pathOf(home), text, { mode: 0o600 });
}
