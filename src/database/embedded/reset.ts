import { resolve } from 'node:path';
import { readRecord, writeRecord } from './record.js';
import { finishRemoval } from './removal.js';
import { type EmbeddedOptions, stopServer, underLock } from './server.js';
import { directorySize } from './status.js';

/** What a reset removes. */
export interface ResetPlan {
  /** Directory with the data and the log; null when there is nothing to remove. */
  directory: string | null;
  bytes: number;
}

export async function planReset(options: { home: string }): Promise<ResetPlan> {
  const record = await readRecord(resolve(options.home));
  if (record === undefined) return { directory: null, bytes: 0 };
  return { directory: record.instance, bytes: await directorySize(record.instance) };
}

/**
 * Stops the embedded server and removes its data. Destructive: the caller has asked. Interrupted,
 * it is finished by the next reset or start.
 */
export async function resetEmbedded(
  options: Pick<EmbeddedOptions, 'home' | 'signal' | 'report'>,
): Promise<ResetPlan & { stopped: boolean }> {
  const home = resolve(options.home);
  const plan = await planReset(options);
  if (plan.directory === null) return { ...plan, stopped: false };
  return underLock(home, options, async () => {
    const record = await readRecord(home);
    if (record === undefined) return { directory: null, bytes: 0, stopped: false };
    const pid = await stopServer(record, options.signal);
    await writeRecord(home, { ...record, removing: true });
    await finishRemoval(home, record);
    return { ...plan, stopped: pid !== null };
  });
}
