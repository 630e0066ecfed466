import type { Rerun } from '../diagnosis/rerun.js';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import { servedBatches } from './support/context.js';
import { errorOf, findReruns, lastRunFinding, listing, orUnknown } from './support/evidence.js';
import { type BatchInput, batchInput, idIn, sameBatch } from './support/inputs.js';
import { repairTarget, rerunSteps } from './support/rerun.js';
import { batchesOfConcern, goldCounts, servedCounts } from './support/served.js';

type Context = StepContext<BatchInput>;

const rerunCommand = (input: BatchInput) =>
  `reviewops pipeline run --batch-id ${idIn(input)} --from model`;

/** What is wrong with the gold of a batch itself, whatever is served. */
async function problemInLake(context: Context, concern: { batchId: string }) {
  const { lacksGold } = await import('../diagnosis/layers.js');
  const { goldProblem } = await import('../diagnosis/gold.js');
  const [batch] = await batchesOfConcern(context, concern.batchId, []);
  if (batch === undefined || batch.state === 'corrupt') return undefined;
  if (lacksGold(batch)) return 'gold is missing or older than silver';
  return goldProblem(await goldCounts(context, batch));
}

async function concerns(context: Context) {
  const served = (await servedBatches(context)) ?? [];
  return batchesOfConcern(
    context,
    context.input.batchId,
    served.map(({ batchId }) => batchId),
  );
}

/** Batches to be scored again, and the one that is served, to be loaded again. */
async function find(context: Context): Promise<Rerun[]> {
  const ids = new Set((await concerns(context)).map(({ batchId }) => batchId));
  const served = await servedBatches(context);
  const reruns: Rerun[] = [];
  for (const batchId of ids) {
    reruns.push(
      ...(await findReruns(context, batchId, async (batch) => {
        if (batch.state === 'corrupt') return undefined;
        const reason = await problemInLake(context, batch);
        if (reason !== undefined) return { from: 'model', reason };
        if (served?.some((one) => one.batchId === batchId) !== true) return undefined;
        const { servedProblem } = await import('../diagnosis/served.js');
        const problem = servedProblem(await servedCounts(context, batch));
        return problem === undefined ? undefined : { from: 'load', reason: problem };
      })),
    );
  }
  return reruns;
}

const nothingWrong = ({ results }: Context): true | string =>
  ['gold', 'served'].every((id) => results[id]?.finding?.state === 'ok')
    ? 'Gold is as complete as silver.'
    : true;

export default defineRunbook({
  module: import.meta.url,
  id: 'gold-incomplete',
  title: 'Gold is incomplete, or scores are missing',
  summary:
    'Counts gold against silver, looks for rows without a valid score, counts what is served against gold, and runs model and load again where they differ.',
  symptoms: [
    'gold incomplete',
    'gold missing',
    'scores missing',
    'score is null',
    'NaN score',
    'no best review',
    'no best review for a product',
    'product best finds nothing',
    'PRODUCT_NOT_FOUND',
    'model did not find review.parquet',
    'fewer rows in fact_reviews than yesterday',
    'fact_reviews is empty',
    'GOLD_INCOMPLETE',
  ],
  tags: ['pipeline', 'lake', 'gold', 'serving'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
  inputs: batchInput,
  targets: () => [repairTarget],
  steps: [
    {
      kind: 'check',
      id: 'gold',
      title: 'Has every row of silver a score in gold?',
      why: 'The model scores every row of silver and drops none, so both layers must have the same number of rows, each with a score from 0 to 100. Fewer rows mean that the model was stopped or read something else.',
      manual: (input) => `reviewops batch show ${idIn(input)} --json`,
      run: (context) =>
        orUnknown(async (): Promise<Finding> => {
          const batches = await concerns(context);
          if (batches.length === 0) {
            return {
              state: 'unknown',
              summary: 'No batch has silver yet.',
              evidence: { batches: [] },
            };
          }
          const damaged = batches.filter(({ state }) => state === 'corrupt');
          const problems: string[] = [];
          for (const batch of batches) {
            const problem = await problemInLake(context, batch);
            if (problem !== undefined) problems.push(`${batch.batchId}: ${problem}`);
          }
          const finding = listing(
            [...problems, ...damaged.map(({ batchId }) => `${batchId}: files are damaged`)],
            {
              none: `Gold is as complete as silver (${batches.map(({ batchId }) => batchId).join(', ')}).`,
              some: 'Gold is not complete',
            },
            'problems',
          );
          const corrupt = damaged.map(({ batchId }) => batchId);
          return { ...finding, evidence: { ...finding.evidence, corrupt } };
        }),
    },
    {
      kind: 'check',
      id: 'silver',
      title: 'Is there silver to score?',
      why: 'Without silver the model has nothing to read: then the cure begins one stage earlier.',
      manual: (input) => `reviewops batch show ${idIn(input)}`,
      run: async (context) => {
        const { lacksSilver } = await import('../diagnosis/layers.js');
        const { look } = await import('./support/evidence.js');
        const { batches } = await look(context, context.input.batchId, 1);
        return listing(
          batches.filter(lacksSilver).map(({ batchId }) => batchId),
          { none: 'Silver is there.', some: 'Silver is missing' },
          'batches',
        );
      },
    },
    {
      kind: 'check',
      id: 'served',
      title: 'Is everything of gold served?',
      why: 'Readers see the table in the database, not the lake. Reviews that were erased from the source are left out of it on purpose and do not count as missing.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT batch_id, count(*), count(score) FROM amazon.fact_reviews GROUP BY batch_id" -c "SELECT * FROM maintenance.fact_loads"`,
      run: (context) =>
        orUnknown(async (): Promise<Finding> => {
          const { servedProblem } = await import('../diagnosis/served.js');
          const served = await servedBatches(context);
          if (served === undefined) {
            return { state: 'unknown', summary: 'The database cannot tell.', evidence: {} };
          }
          const problems: string[] = [];
          for (const batch of await concerns(context)) {
            const ours = served.some(({ batchId }) => batchId === batch.batchId);
            if (!ours || batch.state === 'corrupt' || !batch.layers.includes('gold')) continue;
            const problem = servedProblem(await servedCounts(context, batch));
            if (problem !== undefined) problems.push(`${batch.batchId}: ${problem}`);
          }
          const none =
            served.length === 0
              ? 'Nothing has been loaded yet.'
              : 'What is served agrees with gold.';
          return listing(problems, { none, some: 'What is served is not gold' }, 'problems');
        }),
    },
    {
      kind: 'check',
      id: 'cause',
      title: 'Why did the model stop?',
      why: 'A model that crashed for a missing column or for memory would crash again.',
      manual: () => 'reviewops pipeline status --json',
      when: nothingWrong,
      run: (context) => lastRunFinding(context, context.input.batchId),
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'Is it another problem?',
      why: 'What keeps the model from ending, or its input from being there, is cured first.',
      manual: () => 'reviewops runbook list',
      when: (context) =>
        context.results.silver?.finding?.state === 'ok' ? nothingWrong(context) : true,
      choose: async ({ results, input }) => {
        const [corrupt] = (results.gold?.finding?.evidence?.corrupt ?? []) as string[];
        const [withoutSilver] = (results.silver?.finding?.evidence?.batches ?? []) as string[];
        const next = (runbook: string, batchId: string | undefined, why: string) =>
          ({ to: 'runbook', runbook, input: sameBatch(batchId), why }) as const;
        if (corrupt !== undefined) {
          return next('corrupt-batch', corrupt, `Files of batch ${corrupt} are damaged.`);
        }
        if (withoutSilver !== undefined) {
          return next('silver-missing', withoutSilver, `Batch ${withoutSilver} has no silver.`);
        }
        switch (errorOf(results.cause?.finding)) {
          case 'SILVER_INCOMPLETE':
          case 'WEIGHTS_INVALID':
            return next('model-crash', input.batchId, 'The model could not work with its input.');
          case 'ENGINE_OUT_OF_MEMORY':
            return next('join-out-of-memory', input.batchId, 'The last run ran out of memory.');
          default:
            return undefined;
        }
      },
    },
    ...rerunSteps<BatchInput>({
      why: {
        plan: 'Names the batch and the first stage to repeat: the model where gold itself is wrong, the load alone where gold is right and only the table is not.',
        approve:
          'A load replaces all rows of the serving table in one transaction: readers see the old rows until it ends, then the new ones.',
        act: 'Both stages replace their own output as a whole; stopped half-way they leave what was there before.',
      },
      find,
      manual: rerunCommand,
    }),
    {
      kind: 'check',
      id: 'prove',
      title: 'Is gold complete now, and served?',
      why: 'The same counts as at the beginning, on what is there now.',
      manual: (input) => `reviewops batch verify ${idIn(input)}`,
      must: true,
      run: async (context) =>
        listing(
          (await find(context)).map(({ batchId, reason }) => `${batchId}: ${reason}`),
          { none: 'Every row of silver has a score, and it is served.', some: 'Still incomplete' },
          'problems',
        ),
    },
  ],
});
