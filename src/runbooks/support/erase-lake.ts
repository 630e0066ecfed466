import type { JsonObject, Verified } from '../engine/definition.js';
import { jobOf } from './context.js';
import {
  type EraseContext,
  journalled,
  journalOf,
  mayGoOn,
  plannedObjects,
  plannedUploads,
  withDatabase,
  workOf,
} from './erase.js';

/** Rewrites the planned files and purges the versions that held the people. */
export async function eraseLake(context: EraseContext): Promise<JsonObject> {
  const { eraseInLake } = await import('../../privacy/lake-eraser.js');
  const { readFound } = await import('../../privacy/found.js');
  const { readModel } = await import('../../privacy/model.js');
  const { services, runId } = context;
  const { home, now } = services;
  const work = await workOf(context);
  const model = await withDatabase(context, 'gdpr erase', { write: false }, (client) =>
    readModel(client, work.config),
  );
  await eraseInLake({
    ...work,
    job: jobOf(context),
    model,
    home,
    runId,
    now,
    journal: journalOf(context),
    needles: (await readFound(work.lake, work.keys, runId)).needles,
    planned: plannedObjects(context),
    uploads: plannedUploads(context),
    mayGoOn: mayGoOn(context),
  });
  await journalOf(context).append({ type: 'lake.erased', runId });
  return {};
}

/** By the privacy journal; what the files hold now is read by `verifyAgain`. */
export async function lakeErased(context: EraseContext): Promise<Verified> {
  const objects = plannedObjects(context).filter(({ action }) => action !== 'remains');
  const keys = new Set(objects.map(({ key }) => key));
  const done = await journalled(context, 'lake.erased');
  return {
    done,
    summary: done
      ? `${keys.size} files were rewritten or purged.`
      : `Not all of ${keys.size} files are done.`,
  };
}
