import { randomBytes } from 'node:crypto';
import { link, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { errorCode } from '../system/errors.js';
import {
  describeFileError,
  makeDirectory,
  syncDirectory,
  writeFileAtomic,
} from '../system/files.js';

export const pseudonymKeyName = 'REVIEWOPS_PSEUDONYM_KEY';

/**
 * Makes the key of this state directory and keeps it in `<home>/.env`; gives the one that is
 * there if another process was first. Several at once agree: a hard link elects one key, and only
 * the elected key is ever written.
 */
export async function createPseudonymKey(
  home: string,
): Promise<{ value: string; path: string; created: boolean }> {
  const path = join(home, '.env');
  const elected = join(home, '.pseudonym-key');
  try {
    await makeDirectory(home);
    for (;;) {
      const created = await elect(elected);
      const value = await readText(elected);
      if (value === undefined && !created) continue;
      // Read after the elected key: a slot is only freed once a key stands in the file, so either
      // that key is seen here, or the elected one is the only one there can be.
      const text = await readText(path);
      const present = parse(text ?? '')[pseudonymKeyName];
      if (present !== undefined && present !== '') {
        if (created) await rm(elected, { force: true });
        return { value: present, path, created: false };
      }
      if (value === undefined) continue;
      await writeFileAtomic(path, `${withNewline(text ?? '')}${pseudonymKeyName}=${value}\n`, {
        mode: 0o600,
      });
      await rm(elected, { force: true });
      return { value, path, created };
    }
  } catch (error) {
    throw describeFileError(error, path);
  }
}

const withNewline = (text: string): string =>
  text === '' || text.endsWith('\n') ? text : `${text}\n`;

/** Proposes a new key; true when this proposal won. */
async function elect(elected: string): Promise<boolean> {
  const proposal = `${elected}.${randomBytes(6).toString('hex')}`;
  await writeFileAtomic(proposal, randomBytes(32).toString('base64url'), { mode: 0o600 });
  try {
    await link(proposal, elected);
    await syncDirectory(join(elected, '..'));
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(proposal, { force: true });
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
