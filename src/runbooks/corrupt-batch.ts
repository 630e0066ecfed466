import type { Rerun } from '../diagnosis/rerun.js';
import type { Layer } from '../lake/lake.js';
import type { Lease } from '../lake/lease.js';
import { failed, refused, throwIfAborted } from '../system/errors.js';
import {
  defineRunbook,
  type Finding,
  type JsonObject,
  type StepContext,
} from './engine/definition.js';
import type { Plan } from './engine/plan.js';
import { jobOf, reading, stepScratch } from './support/context.js';
import { abridge, findReruns, look } from './support/evidence.js';
import { type BatchInput, batchInput, idIn } from './support/inputs.js';
import { plannedReruns, repairTarget, rerunPlan, runAgain, unended } from './support/rerun.js';

type Context = StepContext<BatchInput>;

/** Of a batch that goes, the top first. */
const removedLayers = ['gold', 'silver', 'bronze'] as const;

/** What the check `verify` proved, by batch: damaged layers. */
const provenDamage = ({ results }: Context): Record<string, Layer[]> =>
  (results.verify?.finding?.evidence?.damaged ?? {}) as Record<string, Layer[]>;

const bronzeIsDamaged = (context: Context): true | string =>
  Object.values(provenDamage(context)).some((layers) => layers.includes('bronze'))
    ? true
    : 'No bronze is damaged.';

/** The batches to read, and those that are left alone because somebody works on them. */
interface Chosen {
  batchIds: readonly string[];
  running: readonly string[];
}

async function verify(context: Context, chosen: Chosen): Promise<Finding> {
  const { findDamage } = await import('../diagnosis/damage.js');
  const lake = await context.services.lake();
  const damaged: Record<string, Layer[]> = {};
  const objects: JsonObject[] = [];
  const running = [...chosen.running];
  for (const batchId of chosen.batchIds) {
    const scratch = await stepScratch(context);
    const damage = await findDamage(lake, batchId, { ...jobOf(context), scratch });
    if (damage === undefined) continue;
    if (damage === 'running') {
      running.push(batchId);
      continue;
    }
    damaged[batchId] = damage.layers;
    objects.push(...damage.objects.map((object) => ({ ...object })));
  }
  const read = chosen.batchIds.filter((batchId) => !running.includes(batchId)).length;
  const evidence = { damaged: damaged as JsonObject, objects: objects.slice(0, 100), running };
  const unread = running.length === 0 ? '' : ` Somebody works on ${abridge(running)}: not read.`;
  if (objects.length > 0) {
    const found = abridge(objects.map(({ key, problem }) => `${key} (${problem})`));
    return { state: 'critical', summary: `Damaged: ${found}.${unread}`, evidence };
  }
  return read === 0
    ? { state: 'unknown', summary: `No batch was read.${unread}`, evidence }
    : {
        state: 'ok',
        summary: `Every file of ${read} batch(es) is what its manifest says.${unread}`,
        evidence,
      };
}

/** The batches to look at. One that this run has removed, before it was interrupted, is none. */
async function batchesOf(context: Context): Promise<Chosen> {
  if (context.plan !== undefined && context.input.batchId !== undefined) {
    const { batchIds } = await import('../lake/published.js');
    const known = await batchIds(await context.services.lake());
    if (!known.includes(context.input.batchId)) return { batchIds: [], running: [] };
  }
  const { batches, running } = await look(context, context.input.batchId);
  return { batchIds: batches.map(({ batchId }) => batchId), running };
}

async function makePlan(context: Context): Promise<Plan> {
  const [{ firstStage }, { batchPrefix }] = await Promise.all([
    import('../diagnosis/layers.js'),
    import('../lake/layout.js'),
  ]);
  const damaged = provenDamage(context);
  const lake = await context.services.lake();
  const reruns: Rerun[] = [];
  const objects: Plan['targets'] = [];
  for (const [batchId, layers] of Object.entries(damaged)) {
    const from = firstStage(layers);
    if (from === undefined) continue;
    const reason = `${layers.join(', ')} damaged`;
    reruns.push(...(await findReruns(context, batchId, () => ({ from, reason }))));
    if (from !== 'extract') continue;
    await requireNoHold(context, batchId);
    // What stands on a damaged bronze goes with it, the top first: no reader meets a layer
    // whose base is gone.
    for (const layer of removedLayers) {
      for await (const { key, bytes, etag } of lake.list(batchPrefix(layer, batchId))) {
        objects.push({ type: 'object', name: key, action: 'remove', state: { bytes, etag } });
      }
    }
  }
  const plan = rerunPlan(reruns, [
    ...(objects.length > 0
      ? [
          'A batch without bronze is extracted anew: it will hold the source as it is now, not as it was on its date.',
          ...(lake.versions === undefined
            ? ['What is removed cannot be brought back.']
            : ['The bucket keeps old versions: removing frees no space until they are purged.']),
        ]
      : []),
  ]);
  const bytes = objects.reduce((sum, { state }) => sum + Number(state.bytes), 0);
  return {
    ...plan,
    summary:
      objects.length === 0 ? plan.summary : `Remove ${objects.length} objects. ${plan.summary}`,
    targets: [...objects, ...plan.targets],
    totals: { ...plan.totals, objects: objects.length, bytes },
  };
}

/** @throws BATCH_ON_HOLD (exit 3): nothing deletes a batch while somebody wants it kept */
async function requireNoHold(context: Context, batchId: string): Promise<void> {
  const { findHold } = await import('../maintenance/batch-holds.js');
  const hold = await findHold(await context.services.lake(), batchId);
  if (hold === undefined) return;
  throw refused('BATCH_ON_HOLD', `Batch ${batchId} stays: it is on hold: ${hold.reason}`, {
    hint: `Name another batch, or release it first: reviewops batch release ${batchId}`,
  });
}

/** The objects to remove, by batch, in the plan's order. */
async function plannedRemovals(plan: Plan | undefined) {
  const { parseBatchKey } = await import('../lake/layout.js');
  const byBatch = new Map<string, { key: string; etag: string }[]>();
  for (const { type, name, state } of plan?.targets ?? []) {
    if (type !== 'object') continue;
    const batchId = parseBatchKey(name)?.batchId ?? '';
    const list = byBatch.get(batchId) ?? [];
    byBatch.set(batchId, list);
    list.push({ key: name, etag: String(state.etag) });
  }
  return byBatch;
}

/**
 * Removes the named objects, each only while it is what was shown. Gives their number. None of them
 * left means that an earlier attempt removed them all: what lies there now is its rerun's.
 *
 * @throws PLAN_OUTDATED (exit 1), before anything is removed, when one of them was replaced;
 * BATCH_ON_HOLD (exit 3)
 */
async function removeObjects(
  context: Context,
  batchId: string,
  objects: readonly { key: string; etag: string }[],
  { lost }: Lease,
): Promise<number> {
  if (objects.length > 0) await requireNoHold(context, batchId);
  const lake = await context.services.lake();
  const { batchPrefix } = await import('../lake/layout.js');
  const present = new Map<string, string>();
  for (const layer of objects.length === 0 ? [] : removedLayers) {
    for await (const { key, etag } of lake.list(batchPrefix(layer, batchId)))
      present.set(key, etag);
  }
  const left = objects.filter(({ key, etag }) => present.get(key) === etag);
  const replaced = objects.find(({ key, etag }) => (present.get(key) ?? etag) !== etag);
  if (left.length > 0 && replaced !== undefined) throw changedMeanwhile(replaced.key);
  let removed = 0;
  for (const { key, etag } of left) {
    throwIfAborted(context.signal);
    throwIfAborted(lost);
    if (!(await lake.removeIfMatch(key, etag))) throw changedMeanwhile(key);
    removed += 1;
    context.progress(removed, left.length, 'files');
  }
  return removed;
}

/** Whether the damaged layers of a planned batch have been made again. */
async function notWhole(context: Context): Promise<string[]> {
  const left = await unended(context);
  for (const { batchId } of plannedReruns(context.plan)) {
    if (left.includes(batchId)) continue;
    const { state } = await verify(context, { batchIds: [batchId], running: [] });
    if (state !== 'ok') left.push(batchId);
  }
  return left;
}

export default defineRunbook({
  module: import.meta.url,
  id: 'corrupt-batch',
  title: 'A batch is corrupt',
  summary:
    'Hashes every file of the batch. Damaged silver or gold is made again from the layer below; a batch with damaged bronze is removed and run again from the source.',
  symptoms: [
    'corrupt batch',
    'batch is corrupt',
    'corrupted file',
    'checksum does not match',
    'hash differs',
    'FILE_CORRUPT',
    'MANIFEST_CORRUPT',
    'manifest is damaged',
    'Invalid Input Error: No magic bytes found at end of file',
    'Parquet footer cannot be read',
    'file is cut short',
  ],
  tags: ['lake', 'batch', 'corruption'],
  roles: ['admin', 'data-engineer'],
  risk: 'destroy',
  inputs: batchInput,
  targets: () => [repairTarget],
  steps: [
    {
      kind: 'check',
      id: 'verify',
      title: 'Which files are not what their manifest says?',
      why: 'Every file is read and hashed. One flipped bit can give wrong rows without any error, and the size alone does not show it.',
      manual: (input) => `reviewops batch verify ${idIn(input)}`,
      timeout: 6 * 3600,
      run: async (context) => verify(context, await batchesOf(context)),
    },
    {
      kind: 'check',
      id: 'source',
      title: 'Can the batch be extracted again?',
      why: 'Nothing is destroyed before it is certain that it can be made again: the source must answer and hold reviews.',
      manual: () =>
        `reviewops db ping && psql "$NEON_DB_URL" -c 'SELECT count(*) FROM amazon.review'`,
      must: true,
      when: bronzeIsDamaged,
      run: (context) =>
        reading(context, 'source check', async (client): Promise<Finding> => {
          const [{ requireSchema }, { quoteTable }] = await Promise.all([
            import('../database/migrate.js'),
            import('../database/identifiers.js'),
          ]);
          const { config } = context.services;
          await requireSchema(client, config);
          const table = quoteTable(config.source.schema, config.source.entities.review.table);
          const [row] = await client.query<{ any: boolean }>(
            `SELECT EXISTS (SELECT FROM ${table}) AS any`,
          );
          return row?.any === true
            ? { state: 'ok', summary: 'The source answers and holds reviews.' }
            : {
                state: 'critical',
                summary: `The source holds no review: what is removed could not be made again. Import it first: reviewops db import PATH.`,
              };
        }),
    },
    {
      kind: 'plan',
      id: 'plan',
      title: 'Name what is removed and what is run again',
      why: 'Each object is named with its etag. Only these are removed, and only while they are what was shown.',
      manual: (input) => `reviewops batch show ${idIn(input)} --json`,
      run: makePlan,
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the removal',
      why: 'What is removed from a lake without versions is gone. Type the id of the batch, so that it is this batch and no other.',
      manual: (input) => `reviewops batch show ${idIn(input)}`,
      name: ({ plan }) => plannedReruns(plan)[0]?.batchId ?? 'nothing',
      question: ({ plan }) => plan?.summary ?? 'Remove it?',
    },
    {
      kind: 'act',
      id: 'rerun',
      title: 'Remove what stands on damaged bronze, and run the stages again',
      why: 'Silver and gold that were made from damaged bronze cannot be trusted either: they go with it, from the top down. Each damaged layer is then made again from what is whole. The batch is held from the first removal to the end, so that no run reads or makes it meanwhile.',
      manual: (input) =>
        `aws s3 rm --recursive s3://BUCKET/bronze/batch=${idIn(input)}/   # or rm -r on a local lake; then silver and gold\nreviewops pipeline run --batch-id ${idIn(input)}`,
      timeout: 6 * 3600,
      run: async (context) => {
        const needed = new Set(await notWhole(context));
        const removals = await plannedRemovals(context.plan);
        const done: string[] = [];
        let removed = 0;
        for (const rerun of plannedReruns(context.plan)) {
          if (!needed.has(rerun.batchId)) continue;
          const objects = removals.get(rerun.batchId) ?? [];
          await runAgain(context, rerun, {
            before: async (lease) => {
              removed += await removeObjects(context, rerun.batchId, objects, lease);
            },
          });
          done.push(rerun.batchId);
        }
        return { batches: done, removed };
      },
      verify: async (context) => {
        const left = await notWhole(context);
        return left.length === 0
          ? { done: true, summary: 'Every file of the named batches has the hash of its manifest.' }
          : { done: false, summary: `Not whole yet: ${left.join(', ')}.`, evidence: { left } };
      },
    },
    {
      kind: 'check',
      id: 'prove',
      title: 'Is every file whole now?',
      why: 'The same reading and hashing as at the beginning.',
      manual: (input) => `reviewops batch verify ${idIn(input)}`,
      timeout: 6 * 3600,
      must: true,
      when: ({ plan }) => ((plan?.targets.length ?? 0) > 0 ? true : 'Nothing was damaged.'),
      run: async (context) => verify(context, await batchesOf(context)),
    },
  ],
});

const changedMeanwhile = (key: string) =>
  failed('PLAN_OUTDATED', `${key} was replaced since the plan was shown; it stays.`, {
    hint: 'Somebody else works on this batch. Start again, with a new plan.',
  });
