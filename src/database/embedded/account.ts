import { readFile, stat } from 'node:fs/promises';
import { failed } from '../../system/errors.js';
import { type Account, run } from './run.js';

export type { Account } from './run.js';

const isRoot = (): boolean => process.getuid?.() === 0;

/** The entries of /etc/passwd: initdb looks its user up there, so only those can run it. */
async function accounts(): Promise<Account[]> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
  return lines.flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

/**
 * Whom the server of this state directory runs as: undefined (ourselves) unless we are root; then
 * the directory's owner, or the user `postgres`, or `nobody`.
 */
export async function serverAccount(home: string): Promise<Account | undefined> {
  if (!isRoot()) return undefined;
  const { uid } = await stat(home);
  const known = await accounts();
  const account =
    known.find((entry) => uid !== 0 && entry.uid === uid) ??
    known.find(({ name }) => name === 'postgres') ??
    known.find(({ name }) => name === 'nobody');
  if (account !== undefined && account.uid !== 0) return account;
  throw failed(
    'NO_SERVER_ACCOUNT',
    'PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as.',
    { hint: 'Create one (useradd --system postgres), or run reviewops as another user than root.' },
  );
}

/** Who runs a server whose files belong to `uid`; null when that is ourselves. */
export async function ownerAccount(uid: number): Promise<Account | null> {
  if (uid === process.getuid?.()) return null;
  return (await accounts()).find((entry) => entry.uid === uid) ?? null;
}

/**
 * Whether the account can enter a directory and write there, found out by letting it try: mode
 * bits alone miss access lists and mounts.
 */
export async function canUse(
  account: Account | undefined,
  directory: string,
  access: 'enter' | 'write',
  signal: AbortSignal,
): Promise<boolean> {
  const test = access === 'write' ? 'cd "$1" && [ -w . ]' : 'cd "$1"';
  const { status } = await run('/bin/sh', ['-c', test, 'sh', directory], { account, signal });
  return status === 0;
}
