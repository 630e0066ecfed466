import { z } from 'zod';
import type { LoadedBatches } from '../maintenance/loaded-batches.js';
import type { PlannedBatch } from '../maintenance/purge-batches.js';
import { formatBytes } from '../system/duration.js';
import { defineRunbook, type JsonObject, type StepContext } from './engine/definition.js';
import type { Plan, PlanTarget } from './engine/plan.js';
import { ageOf, amount, purged, purgeInputs, purgeTimeout } from './support/purge.js';

const inputs = z.strictObject({
  olderThan: purgeInputs.olderThan.describe(
    'Age from which batches go, by the moment in their id, such as 30d. Default, unless --batch-id or --corrupt is given: retention.batchDays.',
  ),
  batchIds: z.array(z.string()).min(1).optional().describe('Only these batches.'),
  corrupt: z
    .boolean()
    .default(false)
    .describe('Only batches whose manifest or files are damaged, of any age.'),
  keepLast: z
    .int()
    .nonnegative()
    .optional()
    .describe('How many of the newest complete batches stay. Default: retention.keepLast.'),
  versions: z
    .boolean()
    .default(false)
    .describe(
      'Removes old versions too, where the bucket keeps them; only that frees their space.',
    ),
  rate: purgeInputs.rate,
});
type Input = z.output<typeof inputs>;

const loaded = async (context: StepContext<Input>): Promise<LoadedBatches> => {
  const { loadedBatches } = await import('../maintenance/loaded-batches.js');
  const { config, home } = context.services;
  if (!(await context.services.databaseUrl())) {
    // An embedded server that was never set up serves nothing, and is not set up for that answer.
    const { embeddedStatus } = await import('../database/embedded/index.js');
    const { dataDirectory } = await embeddedStatus({ home });
    if (dataDirectory === null) return { state: 'known', batchIds: new Set() };
  }
  return loadedBatches(() => context.services.database(), config.database, context.signal);
};

async function plan(context: StepContext<Input>): Promise<Plan> {
  const { input, services, signal } = context;
  const { selectBatches } = await import('../maintenance/batch-selection.js');
  const { storedVersions } = await import('../maintenance/stored-versions.js');
  const { retention } = services.config;
  const lake = await services.lake();
  const byAge = input.olderThan !== undefined || (input.batchIds === undefined && !input.corrupt);
  const served = await loaded(context);
  const { batches, kept } = await selectBatches(
    lake,
    {
      ...(byAge ? { olderThan: ageOf(input.olderThan, retention.batchDays) } : {}),
      ...(input.batchIds === undefined ? {} : { batchIds: input.batchIds }),
      corrupt: input.corrupt,
      keepLast: input.keepLast ?? retention.keepLast,
    },
    { now: services.now, signal, loaded: served },
  );
  const targets: PlanTarget[] = [];
  const totals = { batches: batches.length, objects: 0, bytes: 0, storedBytes: 0, versions: 0 };
  let freed: number | undefined = 0;
  for (const batch of batches) {
    const stored = await storedVersions(lake, batch.batchId, batch.objects);
    const known = stored === 'unknown' ? undefined : stored;
    totals.objects += batch.objects;
    totals.bytes += batch.bytes;
    totals.storedBytes += known?.bytes ?? batch.bytes;
    totals.versions += known?.versions ?? 0;
    if (stored === 'unknown') freed = undefined;
    else if (freed !== undefined) {
      freed += input.versions
        ? (known?.bytes ?? batch.bytes)
        : (known?.freedByDeleting ?? batch.bytes);
    }
    targets.push({
      type: 'batch',
      name: batch.batchId,
      action: `delete (${batch.why})`,
      state: {
        layers: batch.layers,
        objects: batch.objects,
        bytes: batch.bytes,
        newest: batch.newest.toISOString(),
        fingerprint: batch.fingerprint,
        createdAt: batch.createdAt.toISOString(),
      },
    });
  }
  return {
    summary:
      batches.length === 0
        ? `No batch of ${lake.description} goes.`
        : `Delete ${batches.length} ${batches.length === 1 ? 'batch' : 'batches'} of ${lake.description}: ${amount(totals.objects, totals.bytes)}.`,
    targets,
    totals: { ...totals, bytesFreed: freed ?? null, kept: kept.map((batch) => ({ ...batch })) },
    notes: notes(input, { served, kept, freed, totals }),
  };
}

function notes(
  input: Input,
  found: {
    served: LoadedBatches;
    kept: readonly { batchId: string; why: string }[];
    freed: number | undefined;
    totals: { bytes: number; storedBytes: number };
  },
): string[] {
  const { served, kept, freed, totals } = found;
  const lines = kept.map(({ batchId, why }) => `${batchId} stays: ${why}.`);
  if (served.state === 'unknown') {
    lines.push(
      `Which batch is served is unknown (${served.why}); the newest complete one stays, as it may be that.`,
    );
  }
  if (freed === undefined) {
    lines.push(
      'The store may keep old versions and does not let us look: what is freed is unknown (s3:ListBucketVersions).',
    );
  } else if (!input.versions && freed < totals.storedBytes) {
    lines.push(
      `The bucket keeps old versions: deleting frees ${formatBytes(freed)} of ${formatBytes(totals.storedBytes)}. --versions removes them too, and then nothing brings them back.`,
    );
  }
  return lines;
}

const planned = (context: StepContext<Input>): PlannedBatch[] =>
  (context.plan?.targets ?? []).map(({ name, state }) => ({
    batchId: name,
    objects: Number(state.objects),
    bytes: Number(state.bytes),
    newest: new Date(String(state.newest)),
    fingerprint: String(state.fingerprint),
  }));

export default defineRunbook({
  module: import.meta.url,
  id: 'purge-batches',
  title: 'Delete old, corrupt or named batches',
  summary:
    'Deletes batches of the lake and everything they consist of. The last complete ones, the one that is served, those that somebody works on and those on hold stay.',
  symptoms: [
    'the lake is full',
    'disk full',
    'no space left on device',
    'ENOSPC',
    'lake space above 80 %',
    'too many old batches',
    'clean up old batches',
    'remove a corrupt batch',
    'storage bill grows',
  ],
  tags: ['lake', 'space', 'retention'],
  roles: ['admin', 'data-engineer'],
  risk: 'destroy',
  inputs,
  targets: () => ['purge=batches'],
  steps: [
    {
      kind: 'check',
      id: 'served',
      title: 'Which batch is served?',
      why: 'The batch in the serving table is what every stage after it was made from, and what it is repaired from. It stays. While the database cannot be asked, the newest complete batch counts as that one.',
      manual: () =>
        'psql "$NEON_DB_URL" -c "SELECT batch_id, loaded_at FROM maintenance.fact_loads"',
      run: async (context) => {
        const found = await loaded(context);
        if (found.state === 'unknown') {
          return { state: 'unknown', summary: `Nobody can tell: ${found.why}` };
        }
        const batchIds = [...found.batchIds];
        return {
          state: 'ok',
          summary: batchIds.length === 0 ? 'None is served.' : `Served: ${batchIds.join(', ')}.`,
          evidence: { batchIds },
        };
      },
    },
    {
      kind: 'plan',
      id: 'plan',
      title: 'Choose the batches',
      why: 'A deleted batch is gone. The plan names each one with what it holds, and says which were asked for and stay.',
      manual: () => 'reviewops batch list; reviewops batch purge --dry-run',
      timeout: 3600,
      run: plan,
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the deletion',
      why: 'Nothing brings a deleted batch back, except an old version where the bucket keeps them.',
      manual: () => 'reviewops batch purge --plan HASH',
      // A weekly script knows this name before it knows how many there are.
      name: ({ input: { batchIds } }) => (batchIds?.length === 1 ? (batchIds[0] ?? '') : 'batches'),
      question: ({ plan: shown }) => `${shown?.summary} This cannot be undone.`,
    },
    {
      kind: 'act',
      id: 'delete',
      title: 'Delete batch by batch',
      why: 'Each batch is held while it goes. Its manifests go first, so that no reader meets half of it; its files follow in groups of 1,000. Ctrl-C stops between two groups, and a resumed run deletes the rest.',
      manual: ({ batchIds }) =>
        `aws s3 rm --recursive "s3://BUCKET/gold/batch=${batchIds?.[0] ?? 'BATCH_ID'}/"   # then silver, bronze`,
      timeout: purgeTimeout,
      run: async (context): Promise<JsonObject> => {
        const { input, services, signal } = context;
        const { purgeBatches } = await import('../maintenance/purge-batches.js');
        const batches = planned(context);
        const total = batches.reduce((sum, { objects }) => sum + objects, 0);
        const started = performance.now();
        await purgeBatches(await services.lake(), batches, {
          now: services.now,
          signal,
          perSecond: input.rate ?? services.config.retention.deletesPerSecond,
          versions: input.versions,
          mustStay: async (batchId) => {
            const served = await loaded(context);
            return served.state === 'known' && served.batchIds.has(batchId)
              ? 'the serving table holds it by now'
              : undefined;
          },
          onRemoved: (objects) => context.progress(objects, Math.max(objects, total), 'files'),
          onBatch: (batchId) => context.output(`Batch ${batchId} is deleted.`),
        });
        return { seconds: (performance.now() - started) / 1000 };
      },
      verify: async (context) => {
        const { remainingOf } = await import('../maintenance/purge-batches.js');
        const batches = planned(context);
        const left = await remainingOf(
          await context.services.lake(),
          batches.map(({ batchId }) => batchId),
        );
        const { objects, storedBytes } = (context.plan?.totals ?? {}) as Record<string, number>;
        const versionsLeft = context.input.versions && left.versions > 0;
        return purged({ objects: objects ?? 0, bytes: storedBytes ?? 0 }, left, {
          done: left.batches.length === 0 && !versionsLeft,
          note: left.versions === 0 ? '' : ` ${left.versions} old versions are kept by the bucket.`,
          evidence: { batchesLeft: left.batches, versionsLeft: left.versions },
        });
      },
    },
  ],
});
