import { open } from 'node:fs/promises';
import { errorCode, failed, type OperatorError } from '../../system/errors.js';

const causes: { sign: RegExp; code: string; what: string; hint: string }[] = [
  {
    sign: /No space left on device|Disk quota exceeded/i,
    code: 'DISK_FULL',
    what: 'The disk is full',
    hint: 'Free space there (df -h), or choose another state directory with --home, then run it again.',
  },
  {
    sign: /could not look up effective user ID/i,
    code: 'NO_SERVER_ACCOUNT',
    what: 'The present user has no entry in /etc/passwd',
    hint: 'Add one for this user id, or set NEON_DB_URL to a PostgreSQL of yours.',
  },
  {
    sign: /could not bind .*Permission denied/i,
    code: 'PORT_NOT_ALLOWED',
    what: 'The server may not use that port',
    hint: 'Set database.port to 1024 or above, or to 0 (any free one).',
  },
  {
    sign: /Permission denied|Operation not permitted/i,
    code: 'PERMISSION_DENIED',
    what: 'Permission denied',
    hint: 'Make the directory usable for the user the server runs as, or choose another with --home.',
  },
  {
    sign: /could not (create|map|resize).* shared memory|Cannot allocate memory/i,
    code: 'EMBEDDED_NO_MEMORY',
    what: 'There is not enough memory for the server',
    hint: 'It needs about 300 MB: free memory or raise the limit, then run it again.',
  },
];

/**
 * Names why a program of the server failed: by the line of `output` that says so, or, when none is
 * known, by its end.
 */
export function serverFailure(
  doing: string,
  output: string,
  where: string,
  password?: string,
): OperatorError {
  // What the programs print holds no password; one that did would stop here.
  const safe = password === undefined ? output : output.replaceAll(password, '********');
  const lines = safe.trim().split('\n');
  for (const { sign, code, what, hint } of causes) {
    const line = lines.find((said) => sign.test(said));
    if (line === undefined) continue;
    const message = line.replace(/^.*\b(LOG|ERROR|FATAL|PANIC): +/, '').trim();
    return failed(code, `${doing} failed: ${what} (${where}): ${message}.`, { hint });
  }
  return failed(
    'EMBEDDED_START_FAILED',
    `${doing} failed (${where}).\n${lines.slice(-12).join('\n')}`,
    {
      hint: 'See the lines above; `reviewops local reset` starts afresh (its data is lost).',
    },
  );
}

/** The end of a log file from an offset on, at most 16 kB; empty when there is none. */
export async function readLog(path: string, from: number): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const start = Math.max(from, size - 16_384);
      const buffer = Buffer.alloc(Math.max(0, size - start));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
