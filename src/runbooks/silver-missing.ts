import { defineRunbook, type StepContext } from './engine/definition.js';
import { errorOf, findReruns, lastRunFinding, listing, look } from './support/evidence.js';
import { type BatchInput, batchInput, idIn, sameBatch } from './support/inputs.js';
import { repairTarget, rerunSteps } from './support/rerun.js';

const rerunCommand = (input: BatchInput) =>
  `reviewops pipeline run --batch-id ${idIn(input)} --from transform`;

/** Batches with whole bronze and without silver: what a crashed transform leaves. */
const find = async ({ input, ...context }: StepContext<BatchInput>) => {
  const { lacksSilver } = await import('../diagnosis/layers.js');
  return findReruns({ input, ...context }, input.batchId, (batch) =>
    lacksSilver(batch) && batch.state !== 'corrupt'
      ? { from: 'transform', reason: 'silver is missing' }
      : undefined,
  );
};

export default defineRunbook({
  module: import.meta.url,
  id: 'silver-missing',
  title: 'Silver files are missing',
  summary:
    'Finds batches whose bronze was published and whose silver was not, says why the transform stopped, and runs it again to the end.',
  symptoms: [
    'silver missing',
    'silver is empty',
    'silver files not found',
    'no silver for this batch',
    'batch has no published silver',
    'LAYER_NOT_FOUND silver',
    'transform crashed',
    'transform failed',
    'model cannot find review.parquet',
    'batch is partial',
  ],
  tags: ['pipeline', 'lake', 'silver'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
  inputs: batchInput,
  targets: () => [repairTarget],
  steps: [
    {
      kind: 'check',
      id: 'find',
      title: 'Which batches lack silver?',
      why: 'A layer exists for readers only once its manifest is written, which is the last thing a stage does. Files without a manifest are what a killed run left; they do not count and the next run removes them.',
      manual: () => 'reviewops batch list --json',
      run: async (context) => {
        const { lacksSilver } = await import('../diagnosis/layers.js');
        const { batches, running, known } = await look(context, context.input.batchId);
        const finding = listing(
          batches.filter(lacksSilver).map(({ batchId }) => batchId),
          {
            none: `Every batch with bronze has silver (${batches.length} looked at${running.length > 0 ? `, ${running.length} still running` : ''}).`,
            some: 'Bronze is there and silver is not',
          },
          'batches',
        );
        return { ...finding, evidence: { ...finding.evidence, running, known } };
      },
    },
    {
      kind: 'check',
      id: 'bronze',
      title: 'Is the bronze of these batches whole?',
      why: 'Silver is made from bronze. Running the transform on damaged files fails again, and costs the night.',
      manual: (input) => `reviewops batch verify ${idIn(input)}`,
      when: ({ results }) =>
        results.find?.finding?.state === 'ok' ? 'No batch lacks silver.' : true,
      run: async (context) => {
        const { lacksSilver } = await import('../diagnosis/layers.js');
        const { batches } = await look(context, context.input.batchId);
        return listing(
          batches
            .filter((batch) => lacksSilver(batch) && batch.state === 'corrupt')
            .map(({ batchId }) => batchId),
          { none: 'Their files are there, in the right size.', some: 'Bronze is damaged' },
          'batches',
        );
      },
    },
    {
      kind: 'check',
      id: 'cause',
      title: 'Why did the transform stop?',
      why: 'A run that was killed only has to be run again; one that ran out of memory or disk would stop at the same place.',
      manual: () => 'reviewops pipeline status --json',
      when: ({ results }) =>
        results.find?.finding?.state === 'ok' ? 'No batch lacks silver.' : true,
      run: (context) => {
        const [batchId] = (context.results.find?.finding?.evidence?.batches ?? []) as string[];
        return lastRunFinding(context, batchId);
      },
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'Is it another problem?',
      why: 'What keeps the transform from ending is cured first.',
      manual: () => 'reviewops runbook list',
      choose: async ({ results }) => {
        const [damaged] = (results.bronze?.finding?.evidence?.batches ?? []) as string[];
        const [batchId] = (results.find?.finding?.evidence?.batches ?? []) as string[];
        if (damaged !== undefined) {
          return {
            to: 'runbook',
            runbook: 'corrupt-batch',
            input: sameBatch(damaged),
            why: `The bronze of batch ${damaged} is damaged; silver cannot be made from it.`,
          };
        }
        switch (errorOf(results.cause?.finding)) {
          case 'ENGINE_OUT_OF_MEMORY':
            return {
              to: 'runbook',
              runbook: 'join-out-of-memory',
              input: sameBatch(batchId),
              why: 'The last run of the batch ended because the query engine ran out of memory.',
            };
          case 'DISK_FULL':
            return {
              to: 'runbook',
              runbook: 'purge-batches',
              input: {},
              why: 'The last run of the batch ended because the disk is full; space comes first.',
            };
          default:
            return undefined;
        }
      },
    },
    ...rerunSteps<BatchInput>({
      why: {
        plan: 'The plan names exactly the batches that will be run again and what they are now. If anybody changes one of them meanwhile, nothing is done.',
        approve:
          'A rerun replaces silver and gold of these batches, and loads the newest one: readers see the new rows at once when it ends, and the old ones until then.',
        act: 'Transform, model and load are safe to repeat: each replaces its own output, and an interrupted one leaves nothing visible.',
      },
      find,
      manual: rerunCommand,
    }),
    {
      kind: 'check',
      id: 'prove',
      title: 'Does every batch have its silver now?',
      why: 'What counts is not that the run ended but that the layer is there.',
      manual: (input) => `reviewops batch show ${idIn(input)}`,
      must: true,
      run: async (context) =>
        listing(
          (await find(context)).map(({ batchId }) => batchId),
          { none: 'No batch lacks silver.', some: 'Silver is still missing' },
          'batches',
        ),
    },
  ],
});
