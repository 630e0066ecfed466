import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { link, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, errorMessage, failed, isOperatorError } from '../system/errors.js';
import {
  describeFileError,
  makeDirectory,
  syncDirectory,
  writeFileAtomic,
} from '../system/files.js';

/** What credentials leave in the state directory. */
export const credentialsDirectory = (home: string): string => join(home, 'credentials');

/** What keeps a file of ours from being read or written, as the operator's to cure. */
export function describeStateError(error: unknown, path: string): unknown {
  const described = describeFileError(error, path);
  if (isOperatorError(described) || errorCode(error) === undefined) return described;
  return failed('STATE_UNUSABLE', `${path} cannot be used: ${errorMessage(error)}.`, {
    hint: 'Look at what lies there; the directory belongs to the state directory and is made by itself.',
    cause: error,
  });
}

const keyPath = (home: string): string => join(credentialsDirectory(home), 'key');
const algorithm = 'aes-256-gcm';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** The key of this state directory, made at its first use; readable by its owner only. */
async function sealingKey(home: string): Promise<Buffer> {
  const path = keyPath(home);
  try {
    await makeDirectory(credentialsDirectory(home), 0o700);
    return await readKey(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw describeStateError(error, path);
  }
  await createFile(path, randomBytes(32));
  return readKey(path);
}

async function readKey(path: string): Promise<Buffer> {
  const key = await readFile(path);
  if (key.length === keyBytes) return key;
  throw failed('SEALING_KEY_DAMAGED', `${path} does not hold a key of ${keyBytes} bytes.`, {
    hint: 'Restore it. Without it no rotation that is under way here can go on; with none under way, remove the file.',
  });
}

/** Makes the file with its content in one step; the first of several who try wins. */
async function createFile(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFileAtomic(temporary, content, { mode: 0o600 });
    await link(temporary, path).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    await rm(temporary);
    await syncDirectory(dirname(path));
  } catch (error) {
    throw describeStateError(error, path);
  }
}

/** Encrypts a text with the key of the state directory, bound to `purpose`. */
export async function seal(home: string, text: string, purpose: string): Promise<string> {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, await sealingKey(home), nonce);
  cipher.setAAD(Buffer.from(purpose));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
}

/** @throws SEAL_BROKEN (exit 1) when the text or the key was changed */
export async function unseal(home: string, sealed: string, purpose: string): Promise<string> {
  const bytes = Buffer.from(sealed, 'base64');
  const key = await sealingKey(home);
  try {
    const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes));
    decipher.setAAD(Buffer.from(purpose));
    decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    const text = decipher.update(bytes.subarray(nonceBytes + tagBytes));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch (cause) {
    throw failed(
      'SEAL_BROKEN',
      `What was sealed in ${credentialsDirectory(home)} cannot be read.`,
      {
        hint: `${keyPath(home)} is not the key it was sealed with, or the file was changed. Restore both from the same moment.`,
        cause,
      },
    );
  }
}
