import { ExitCode, isOperatorError } from '../system/errors.js';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import { findReruns, listing, look } from './support/evidence.js';
import { type BatchInput, batchInput, idIn, sameBatch } from './support/inputs.js';
import { repairTarget, rerunSteps } from './support/rerun.js';

type Context = StepContext<BatchInput>;

/** Every batch is looked at: a lost file makes an old batch as useless as a new one. */
const everyBatch = Number.POSITIVE_INFINITY;

async function find(context: Context) {
  const { damagedObjects, firstStage, lostFiles } = await import('../diagnosis/layers.js');
  return findReruns(
    context,
    context.input.batchId,
    (batch) => {
      const lost = lostFiles(batch);
      const from = firstStage(lost.map(({ layer }) => layer));
      return from === undefined || damagedObjects(batch).length > 0
        ? undefined
        : { from, reason: `${lost.length} file(s) are gone: ${lost[0]?.key}` };
    },
    everyBatch,
  );
}

export default defineRunbook({
  module: import.meta.url,
  id: 'parquet-not-found',
  title: 'A Parquet file is not found',
  summary:
    'Tells a wrong batch id from an incomplete batch, names the files that a manifest promises and the lake does not hold, and runs the stage that made them again.',
  symptoms: [
    'parquet not found',
    'No such file or directory parquet',
    'No such file review.parquet',
    'file not found in batch',
    'OBJECT_NOT_FOUND',
    'BATCH_NOT_FOUND',
    'there is no batch',
    'wrong batch id',
    'someone deleted files from the lake',
    'lifecycle rule removed files',
  ],
  tags: ['lake', 'batch', 'parquet'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
  inputs: batchInput,
  targets: () => [repairTarget],
  steps: [
    {
      kind: 'check',
      id: 'batch',
      title: 'Is there such a batch?',
      why: 'The commonest cause is a mistyped id. The nearest ids that exist are named, so that nobody makes a batch again that was never lost.',
      manual: () => 'reviewops batch list',
      must: true,
      run: async (context): Promise<Finding> => {
        try {
          const { known, running } = await look(context, context.input.batchId, 1);
          return {
            state: known === 0 ? 'warning' : 'ok',
            summary:
              known === 0
                ? 'The lake holds no batch at all: run `reviewops pipeline run`.'
                : `The lake holds ${known} batches.`,
            evidence: { known, running },
          };
        } catch (error) {
          if (!isOperatorError(error) || error.exitCode !== ExitCode.usage) throw error;
          const summary = `${error.message} ${error.hint ?? ''}`.trim();
          return { state: 'critical', summary, evidence: { error: error.code } };
        }
      },
    },
    {
      kind: 'check',
      id: 'files',
      title: 'Which files are gone?',
      why: 'A manifest names every file of its layer. What it names and the lake does not hold was deleted by hand, by a lifecycle rule, or lost with a disk.',
      manual: (input) => `reviewops batch verify ${idIn(input)}`,
      run: async (context) => {
        const { lostFiles } = await import('../diagnosis/layers.js');
        const { batches } = await look(context, context.input.batchId, everyBatch);
        return listing(
          batches.flatMap((batch) => lostFiles(batch).map(({ key }) => key)),
          { none: 'Every file that a manifest names is there.', some: 'These files are gone' },
          'files',
        );
      },
    },
    {
      kind: 'check',
      id: 'others',
      title: 'Is anything else wrong with these batches?',
      why: 'A file of the wrong size or a damaged manifest needs the runbook for corrupt batches; a layer that was never made needs the one for that layer.',
      manual: (input) => `reviewops batch show ${idIn(input)}`,
      run: async (context) => {
        const { damagedObjects, lacksGold, lacksSilver } = await import('../diagnosis/layers.js');
        const { batches } = await look(context, context.input.batchId);
        const evidence = {
          damaged: batches.filter((b) => damagedObjects(b).length > 0).map((b) => b.batchId),
          withoutSilver: batches.filter(lacksSilver).map((b) => b.batchId),
          withoutGold: batches.filter(lacksGold).map((b) => b.batchId),
        };
        const count = new Set(Object.values(evidence).flat()).size;
        return count === 0
          ? { state: 'ok', summary: 'Nothing else is wrong.', evidence }
          : { state: 'warning', summary: `${count} batch(es) have other problems.`, evidence };
      },
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'Is it another problem?',
      why: 'Damage is cured by its own runbook, because it destroys what is left before it makes it again.',
      manual: () => 'reviewops runbook list',
      choose: async ({ results }) => {
        const evidence = results.others?.finding?.evidence ?? {};
        const first = (name: string) => ((evidence[name] ?? []) as string[])[0];
        const next = (runbook: string, batchId: string, why: string) =>
          ({ to: 'runbook', runbook, input: sameBatch(batchId), why }) as const;
        const [damaged, withoutSilver, withoutGold] = [
          first('damaged'),
          first('withoutSilver'),
          first('withoutGold'),
        ];
        if (damaged !== undefined) {
          return next('corrupt-batch', damaged, `Objects of batch ${damaged} are damaged.`);
        }
        if (results.files?.finding?.state !== 'ok') return undefined;
        if (withoutSilver !== undefined) {
          return next('silver-missing', withoutSilver, `Batch ${withoutSilver} never got silver.`);
        }
        if (withoutGold !== undefined) {
          return next('gold-incomplete', withoutGold, `Batch ${withoutGold} never got gold.`);
        }
        return undefined;
      },
    },
    ...rerunSteps<BatchInput>({
      why: {
        plan: 'The first layer that lost a file decides: everything above it was made from it and is made again with it.',
        approve:
          'A batch that lost bronze is extracted anew: it will hold the source as it is now, not as it was on its date. Lost silver or gold is made from what is there and comes out the same.',
        act: 'The stage writes new files beside the old ones and switches over with the manifest; nothing that is still readable is taken away before.',
      },
      find,
      manual: (input) => `reviewops pipeline run --batch-id ${idIn(input)}`,
      notes: [
        'In a bucket with versions a deleted file can also be restored (aws s3api list-object-versions); that keeps the data of its date.',
      ],
    }),
    {
      kind: 'check',
      id: 'prove',
      title: 'Is every file there now?',
      why: 'A run that ended is not the proof; the files are.',
      manual: (input) => `reviewops batch verify ${idIn(input)}`,
      must: true,
      run: async (context) => {
        const { lostFiles } = await import('../diagnosis/layers.js');
        const { batches } = await look(context, context.input.batchId, everyBatch);
        return listing(
          batches.flatMap((batch) => lostFiles(batch).map(({ key }) => key)),
          { none: 'Every file that a manifest names is there.', some: 'Still gone' },
          'files',
        );
      },
    },
  ],
});
