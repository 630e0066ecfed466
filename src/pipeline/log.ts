import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';
import type { Lake } from '../lake/lake.js';
import { runLogKey } from '../lake/layout.js';
import { errorCode } from '../system/errors.js';
import { describeFileError } from '../system/files.js';
import { type Owner, ownerState, thisProcess } from '../system/owner.js';
import type { StageLogger } from './stage.js';

export type LoggerName = 'extract' | 'transform' | 'model' | 'load' | 'pipeline';

/** The log of one run: JSON lines in a local file while it runs, in the lake once it has ended. */
export interface RunLog {
  logger(name: LoggerName): StageLogger;
  /** Flushes, and moves the file to `logs/` of the lake. */
  publish(lake: Lake): Promise<void>;
}

/**
 * Opens the log of a run under `directory`. Each line has level, time, logger, runId, message and
 * the fields given; what `redact` replaces never reaches the file. That a line cannot be written
 * (`DISK_FULL`) ends no run: `publish` tells.
 */
export async function openRunLog(
  directory: string,
  runId: string,
  redact: (text: string) => string,
): Promise<RunLog> {
  const { default: pino } = await import('pino');
  await mkdir(directory, { recursive: true });
  const path = join(directory, `${runId}.jsonl`);
  const destination = pino.destination({ dest: path, sync: true, mkdir: false });
  let failure: { error: unknown } | undefined;
  destination.on('error', (error: unknown) => {
    failure ??= { error };
  });
  const root: Logger = pino(
    {
      base: { runId },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: redact },
    },
    destination,
  );
  root.info({ logger: 'pipeline', owner: thisProcess() }, 'log opened');
  return {
    logger: (name) => root.child({ logger: name }),
    publish: async (lake) => {
      if (failure !== undefined) {
        // To flush would be to try without end, in a loop that not even Ctrl-C ends.
        destination.destroy();
        throw describeFileError(failure.error, path);
      }
      destination.flushSync();
      destination.end();
      await lake.putFile(runLogKey(runId), path);
    },
  };
}

/**
 * Delivers the logs of earlier runs whose process is gone without having published its own.
 *
 * @returns the run ids that were delivered
 */
export async function publishLeftoverLogs(directory: string, lake: Lake): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const delivered: string[] = [];
  for (const name of names.filter((entry) => entry.endsWith('.jsonl'))) {
    const path = join(directory, name);
    const runId = name.slice(0, -'.jsonl'.length);
    try {
      const writer = await logWriter(path);
      if (writer !== undefined && ownerState(writer) !== 'gone') continue;
      await lake.putFile(runLogKey(runId), path);
      delivered.push(runId);
    } catch (error) {
      // Another run that starts now has delivered it meanwhile.
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
  return delivered;
}

/** Who writes a log, as its first line says; undefined when it was cut short there. */
export async function logWriter(path: string): Promise<Owner | undefined> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    try {
      return (JSON.parse(line) as { owner?: Owner }).owner;
    } catch {
      // Killed before the first line was complete.
      return undefined;
    }
  }
  return undefined;
}
