import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { errorCode } from '../../system/errors.js';
import { type Check, judged, several, stateOf, unknown } from '../check.js';
import { cureOfError } from '../cures.js';

/** ERROR lines of the last day, in the lake and in what was not delivered there yet. */

const dayMilliseconds = 86_400_000;

/** What is read of a log that has run wild, in bytes. */
const mostBytes = 16e6;

interface ErrorLine {
  time: string;
  message: string;
  code: string | null;
  batchId: string | undefined;
}

export const errorLines: Check = {
  name: 'error-lines',
  title: 'ERROR lines in the logs of 24 hours',
  group: 'runs',
  needs: ['lake'],
  run: async ({ config, home, lake, now, signal }) => {
    const since = new Date(now().getTime() - dayMilliseconds);
    const { lake: store, logs } = await lake();
    const recent = logs.filter(
      ({ key, modifiedAt }) => key.endsWith('.jsonl') && modifiedAt >= since,
    );
    const found: ErrorLine[] = [];
    const unread: string[] = [];
    for (const { key } of recent) {
      signal.throwIfAborted();
      if (!(await collect(await store.openRead(key), since, found))) unread.push(key);
    }
    for (const path of await localLogs(join(home, 'logs'), since)) {
      if (!(await collect(createReadStream(path), since, found))) unread.push(path);
    }
    const threshold = config.health.errorLines;
    const last = found.sort((a, b) => (a.time < b.time ? -1 : 1)).at(-1);
    const state = stateOf(found.length, threshold, true);
    if (state === 'ok' && unread.length > 0) {
      return unknown(
        `${found.length} so far; the end of ${several(unread)} was not read: it is too long`,
        {
          evidence: { unread },
          runbook: { id: 'purge-logs', input: {} },
          next: 'See what writes so much: `reviewops pipeline status` shows the runs.',
        },
      );
    }
    return judged(
      state,
      last === undefined
        ? `none in ${recent.length} logs`
        : `${found.length}, the last: ${several([last.message])}`,
      {
        value: found.length,
        unit: 'count',
        threshold,
        evidence: { last: found.slice(-5), unread },
        runbook: cureOfError(last?.code ?? null, last?.batchId) ?? {
          id: 'parquet-not-found',
          input: last?.batchId === undefined ? {} : { batchId: last.batchId },
        },
        next: '`reviewops pipeline status` shows the runs.',
      },
    );
  },
};

async function localLogs(directory: string, since: Date): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const paths: string[] = [];
  for (const name of names.filter((entry) => entry.endsWith('.jsonl'))) {
    const path = join(directory, name);
    // A run that ends meanwhile takes its log away, to the lake.
    const stats = await stat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (stats !== undefined && stats.mtime >= since) paths.push(path);
  }
  return paths;
}

/** False when the log is longer than what is read of it. */
async function collect(stream: Readable, since: Date, found: ErrorLine[]): Promise<boolean> {
  let bytes = 0;
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      bytes += line.length;
      if (bytes > mostBytes) return false;
      if (!/"level":\s*"(error|fatal)"/.test(line)) continue;
      const entry = parseLine(line);
      if (entry !== undefined && new Date(entry.time) >= since) found.push(entry);
    }
    return true;
  } finally {
    stream.destroy();
  }
}

function parseLine(line: string): ErrorLine | undefined {
  try {
    const { time, message, code, batchId } = JSON.parse(line) as Record<string, unknown>;
    return {
      time: String(time),
      message: String(message),
      code: typeof code === 'string' ? code : null,
      batchId: typeof batchId === 'string' ? batchId : undefined,
    };
  } catch {
    // The line that was being written when the process was killed.
    return undefined;
  }
}
