import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseClient } from '../../database/client.js';
import type { DatabaseAccess, LoadedBatch } from '../../diagnosis/rerun.js';
import type { Engine } from '../../engine/session.js';
import { formatSeconds } from '../../system/duration.js';
import { ExitCode, isOperatorError } from '../../system/errors.js';
import type { JobContext } from '../../system/progress.js';
import type { StepContext } from '../engine/definition.js';

/** Any step's context, whatever its inputs are. */
export type AnyContext = StepContext<unknown>;

/** The context as the domains know it: what they report becomes output and progress. */
export const jobOf = (context: AnyContext): JobContext => ({
  signal: context.signal,
  now: context.services.now,
  report: (event) => {
    switch (event.type) {
      case 'progress':
        context.progress(event.done, event.total, event.unit);
        break;
      case 'finished':
        context.output(
          `${event.task}: ${event.summary ?? 'done'} in ${formatSeconds(event.seconds)}`,
        );
        break;
      case 'notice':
      case 'warning':
        context.output(event.message);
        break;
      case 'started':
        break;
    }
  },
});

/** How a step reaches the database: read-only unless the step may change something. */
export const databaseOf = async (
  context: AnyContext,
  access: { write: boolean } = { write: false },
): Promise<DatabaseAccess> => ({
  target: await context.services.database(),
  settings: context.services.config.database,
  signal: context.signal,
  readOnly: context.readOnly || !access.write,
});

/** Runs work on a read-only connection. */
export async function reading<T>(
  context: AnyContext,
  purpose: string,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const { withClient } = await import('../../database/client.js');
  const { target, ...options } = await databaseOf(context);
  return withClient(target, { purpose, ...options }, work);
}

/** Whether an error says that something could not be reached, rather than that it is wrong. */
const isUnreachable = (error: unknown): boolean =>
  isOperatorError(error) && error.exitCode === ExitCode.unreachable;

/** The batches that are served; undefined while the database cannot tell. */
export async function servedBatches(context: AnyContext): Promise<LoadedBatch[] | undefined> {
  const { loadedBatches } = await import('../../diagnosis/rerun.js');
  try {
    return await loadedBatches(await databaseOf(context));
  } catch (error) {
    const away =
      isUnreachable(error) ||
      (isOperatorError(error) && ['TABLE_NOT_FOUND', 'SCHEMA_NOT_FOUND'].includes(error.code));
    if (!away) throw error;
    return undefined;
  }
}

/** A directory for the work of one step, below the run's own. */
export const stepScratch = async (context: AnyContext): Promise<string> =>
  mkdtemp(join(await context.services.scratch(), 'step-'));

/** A small query engine for the duration of `work`, with the limits of the configuration. */
export async function withEngine<T>(
  context: AnyContext,
  work: (engine: Engine, scratch: string) => Promise<T>,
): Promise<T> {
  const { openEngine } = await import('../../engine/session.js');
  const { memoryLimit, threads } = context.services.config.pipeline;
  const scratch = await stepScratch(context);
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: context.signal });
  try {
    return await work(engine, scratch);
  } finally {
    await engine.close();
  }
}
