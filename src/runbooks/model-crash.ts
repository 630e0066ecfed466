import { isOperatorError } from '../system/errors.js';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import { reading } from './support/context.js';
import {
  errorOf,
  findReruns,
  lastRunFinding,
  listing,
  look,
  orUnknown,
} from './support/evidence.js';
import { type BatchInput, batchInput, idIn, sameBatch } from './support/inputs.js';
import { repairTarget, rerunSteps } from './support/rerun.js';

type Context = StepContext<BatchInput>;

async function find(context: Context) {
  const { missingInBronze, missingInSilver } = await import('../diagnosis/columns.js');
  const { entities } = context.services.config.source;
  return findReruns(context, context.input.batchId, (batch) => {
    if (batch.state === 'corrupt' || !batch.layers.includes('silver')) return undefined;
    const missing = missingInSilver(batch);
    if (missing.length === 0) return undefined;
    const from = missingInBronze(batch, entities).length === 0 ? 'transform' : 'extract';
    return { from, reason: `silver lacks ${missing.join(', ')}` };
  });
}

const silverIsWhole = ({ results }: Context): true | string =>
  results.columns?.finding?.state === 'ok' ? 'Silver has every column that the model reads.' : true;

export default defineRunbook({
  module: import.meta.url,
  id: 'model-crash',
  title: 'The model crashes for missing columns',
  summary:
    'Compares the columns of silver with those the model reads, finds where they were lost (bronze, the mapping of the configuration, the source), and makes silver again.',
  symptoms: [
    'model crash',
    'model stage fails',
    'missing column',
    'KeyError',
    'column not found in silver',
    'SILVER_INCOMPLETE',
    'COLUMN_NOT_IN_BATCH',
    'TABLE_NOT_IN_BATCH',
    'WEIGHTS_INVALID',
    'KEEP_CANDIDATES',
    'Binder Error: Referenced column not found',
    'weights do not add up to 1',
  ],
  tags: ['pipeline', 'model', 'columns', 'configuration'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
  inputs: batchInput,
  targets: () => [repairTarget],
  steps: [
    {
      kind: 'check',
      id: 'weights',
      title: 'Are the weights of the score valid?',
      why: 'The model refuses weights that do not add up to 1. No rerun cures that: the configuration has to be corrected first.',
      manual: () => 'reviewops config check && reviewops config show',
      must: true,
      run: async (context): Promise<Finding> => {
        const { scoreWeights } = await import('../pipeline/score.js');
        try {
          const weights = scoreWeights(context.services.config.pipeline.score);
          return { state: 'ok', summary: 'They add up to 1.', evidence: { weights } };
        } catch (error) {
          if (!isOperatorError(error)) throw error;
          return {
            state: 'critical',
            summary: `${error.message} ${error.hint ?? 'Correct pipeline.score.weights.'} Then run this again.`,
            evidence: { error: error.code },
          };
        }
      },
    },
    {
      kind: 'check',
      id: 'columns',
      title: 'Has silver every column that the model reads?',
      why: 'Silver that an older version made, or that came from elsewhere, may lack columns the model of today needs.',
      manual: (input) => `reviewops batch show ${idIn(input)} --json`,
      run: async (context) => {
        const { missingInSilver } = await import('../diagnosis/columns.js');
        const { batches } = await look(context, context.input.batchId);
        return listing(
          batches
            .filter(({ layers }) => layers.includes('silver'))
            .flatMap((batch) => missingInSilver(batch).map((name) => `${batch.batchId}: ${name}`)),
          { none: 'Every column is there.', some: 'Silver lacks columns' },
          'columns',
        );
      },
    },
    {
      kind: 'check',
      id: 'bronze',
      title: 'Has bronze every column that the configuration maps?',
      why: 'If it has, running the transform again is enough. If it has not, the batch must be extracted again, or the mapping is wrong.',
      manual: (input) => `reviewops batch show ${idIn(input)} --json`,
      run: async (context) => {
        const { missingInBronze } = await import('../diagnosis/columns.js');
        const { entities } = context.services.config.source;
        const { batches } = await look(context, context.input.batchId, 1);
        return listing(
          batches
            .filter(({ layers }) => layers.includes('bronze'))
            .flatMap((batch) => missingInBronze(batch, entities)),
          { none: 'Bronze has them all.', some: 'Bronze lacks', state: 'warning' },
          'columns',
        );
      },
    },
    {
      kind: 'check',
      id: 'source',
      title: 'Has the source every column that the configuration maps?',
      why: 'A column that was renamed or dropped in the source cannot be extracted. That is a decision about the mapping, not a repair.',
      manual: () => `psql "$NEON_DB_URL" -c '\\d amazon.review'`,
      must: true,
      when: ({ results }) =>
        results.bronze?.finding?.state === 'ok' ? 'Bronze has them all.' : true,
      run: (context) =>
        orUnknown(() =>
          reading(context, 'source columns', async (client) => {
            const { missingInSource } = await import('../diagnosis/columns.js');
            const { source } = context.services.config;
            const finding = listing(
              await missingInSource(client, source),
              { none: 'The source has them all.', some: 'The source has no' },
              'columns',
            );
            return finding.state === 'ok'
              ? finding
              : {
                  ...finding,
                  summary: `${finding.summary} Correct source.entities in the configuration (a name, or null for a column the source does not have), or restore the column; then run this again.`,
                };
          }),
        ),
    },
    {
      kind: 'check',
      id: 'cause',
      title: 'What did the last run say?',
      why: 'The model may have stopped for another reason: memory, disk, a lost connection.',
      manual: () => 'reviewops pipeline status',
      run: (context) => lastRunFinding(context, context.input.batchId),
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'Is it another problem?',
      why: 'When the columns are there, the crash has another cause.',
      manual: () => 'reviewops runbook list',
      when: ({ results }) =>
        results.columns?.finding?.state === 'ok'
          ? true
          : 'Columns are missing; that is cured here.',
      choose: async ({ results, input }) => {
        switch (errorOf(results.cause?.finding)) {
          case 'ENGINE_OUT_OF_MEMORY':
            return {
              to: 'runbook',
              runbook: 'join-out-of-memory',
              input: sameBatch(input.batchId),
              why: 'The last run ended because the query engine ran out of memory.',
            };
          case 'FILE_CORRUPT':
          case 'MANIFEST_CORRUPT':
            return {
              to: 'runbook',
              runbook: 'corrupt-batch',
              input: sameBatch(input.batchId),
              why: 'The last run met a damaged file.',
            };
          case 'LAYER_NOT_FOUND':
            return {
              to: 'runbook',
              runbook: 'silver-missing',
              input: sameBatch(input.batchId),
              why: 'The last run found no silver.',
            };
          default:
            return undefined;
        }
      },
    },
    ...rerunSteps<BatchInput>({
      why: {
        plan: 'From the transform where bronze has all columns; from the extract where bronze lacks some and the source has them.',
        approve: 'Silver and gold of these batches are replaced; the newest one is loaded.',
        act: 'The transform of this version writes all columns that the model of this version reads.',
      },
      find,
      manual: (input) => `reviewops pipeline run --batch-id ${idIn(input)} --from transform`,
    }),
    {
      kind: 'check',
      id: 'prove',
      title: 'Has silver every column now?',
      why: 'The model ran on it; the manifest says with what.',
      manual: (input) => `reviewops batch show ${idIn(input)} --json`,
      must: true,
      when: silverIsWhole,
      run: async (context) =>
        listing(
          (await find(context)).map(({ batchId, reason }) => `${batchId}: ${reason}`),
          { none: 'Every column is there.', some: 'Still missing' },
          'columns',
        ),
    },
  ],
});
