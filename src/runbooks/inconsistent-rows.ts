import type { Rerun } from '../diagnosis/rerun.js';
import type { ServedCounts } from '../diagnosis/served.js';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import type { PlanTarget } from './engine/plan.js';
import { databaseOf, reading, servedBatches } from './support/context.js';
import { deadRowsFinding } from './support/dead-rows.js';
import { findReruns, listing, look, orUnknown } from './support/evidence.js';
import { type BatchInput, batchInput } from './support/inputs.js';
import { repairTarget, rerunSteps } from './support/rerun.js';
import { servedCounts } from './support/served.js';

type Context = StepContext<BatchInput>;

/**
 * The batch to be served: the named one, the one that is, or the newest whose gold is whole when
 * the gold of that one is gone.
 */
async function batchToServe(context: Context): Promise<string | undefined> {
  const { batchId } = context.input;
  if (batchId !== undefined) return batchId;
  const served = (await servedBatches(context)) ?? [];
  const { batches } = await look(context, undefined, Number.POSITIVE_INFINITY);
  const usable = batches.filter(
    ({ layers, problems }) =>
      layers.includes('gold') && !problems.some(({ layer }) => layer === 'gold'),
  );
  const ours = usable.find((batch) => served.some((one) => one.batchId === batch.batchId));
  return (ours ?? usable[0])?.batchId;
}

async function compare(
  context: Context,
): Promise<{ batchId: string; counts: ServedCounts } | undefined> {
  const batchId = await batchToServe(context);
  if (batchId === undefined) return undefined;
  const { batches } = await look(context, batchId);
  const [batch] = batches;
  if (batch === undefined) return undefined;
  return { batchId, counts: await servedCounts(context, batch) };
}

async function find(context: Context): Promise<Rerun[]> {
  const { servedProblem } = await import('../diagnosis/served.js');
  const compared = await compare(context);
  const problem = compared === undefined ? undefined : servedProblem(compared.counts);
  if (compared === undefined || problem === undefined) return [];
  const reruns = await findReruns(context, compared.batchId, (batch) =>
    batch.layers.includes('gold') && batch.state !== 'corrupt'
      ? { from: 'load', reason: problem }
      : undefined,
  );
  return reruns.map((rerun) => ({ ...rerun, to: 'load' as const }));
}

const staleViews = (context: Context): Promise<string[]> =>
  reading(context, 'view states', async (client) => {
    const { isStale, viewStates } = await import('../diagnosis/served.js');
    const states = await viewStates(client, context.services.config.serving);
    return states.filter(isStale).map(({ name }) => name);
  });

const planViews = async (context: Context): Promise<PlanTarget[]> => {
  const { schema } = context.services.config.serving;
  return (await staleViews(context)).map((name) => ({
    type: 'view',
    name: `${schema}.${name}`,
    action: 'refresh the materialised view',
    state: { stale: true },
  }));
};

const plannedViews = ({ plan, services }: Context): string[] =>
  (plan?.targets ?? [])
    .filter(({ type }) => type === 'view')
    .map(({ name }) => name.slice(services.config.serving.schema.length + 1));

export default defineRunbook({
  module: import.meta.url,
  id: 'inconsistent-rows',
  title: 'Rows in the database are inconsistent',
  summary:
    'Compares the served rows with gold and with the source by their ids, and the materialised views with their own queries; loads the batch again and refreshes what is stale.',
  symptoms: [
    'inconsistent rows',
    'rows do not match',
    'wrong row count',
    'stale data',
    'wrong numbers in the dashboard',
    'orphan rows in fact_reviews',
    'deleted review is still shown',
    'best review is out of date',
    'product_summary is stale',
    'materialized view is old',
    'numbers differ between lake and database',
    'duplicates in fact_reviews',
  ],
  tags: ['database', 'serving', 'integrity'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
  inputs: batchInput,
  targets: () => [repairTarget],
  steps: [
    {
      kind: 'check',
      id: 'rows',
      title: 'Do the served rows agree with gold and source?',
      why: 'Three places must tell the same: gold in the lake, the serving table, and the reviews it was made from. Rows by hand, a restored table or a deleted review break that.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT count(*) FROM amazon.fact_reviews f WHERE NOT EXISTS (SELECT FROM amazon.review r WHERE r.review_id = f.review_id)"`,
      timeout: 1800,
      run: (context) =>
        orUnknown(async (): Promise<Finding> => {
          const { servedProblem } = await import('../diagnosis/served.js');
          const compared = await compare(context);
          if (compared === undefined) {
            return {
              state: 'unknown',
              summary: 'No batch of the lake has whole gold to compare with.',
              evidence: {},
            };
          }
          const evidence = { batchId: compared.batchId, ...compared.counts };
          const problem = servedProblem(compared.counts);
          return problem === undefined
            ? {
                state: 'ok',
                summary: `All ${compared.counts.servedRows} served rows agree with gold and source.`,
                evidence,
              }
            : { state: 'critical', summary: `Batch ${compared.batchId}: ${problem}.`, evidence };
        }),
    },
    {
      kind: 'check',
      id: 'views',
      title: 'Are the materialised views up to date?',
      why: 'A materialised view is a stored answer: rows that change below it do not show until it is refreshed. Each is compared with what its query gives now.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT matviewname, ispopulated FROM pg_matviews WHERE schemaname = 'amazon'"`,
      timeout: 1800,
      run: (context) =>
        orUnknown(async () =>
          listing(
            await staleViews(context),
            { none: 'Every view says what its query says.', some: 'Out of date', state: 'warning' },
            'views',
          ),
        ),
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'Is it another problem?',
      why: 'Without tables there is nothing to compare, and without gold nothing to load.',
      manual: () => 'reviewops runbook list',
      choose: async ({ results }) => {
        const finding = results.rows?.finding;
        const error = finding?.evidence?.error;
        if (error === 'TABLE_NOT_FOUND' || error === 'SCHEMA_NOT_FOUND') {
          return {
            to: 'runbook',
            runbook: 'relation-not-found',
            input: {},
            why: 'A table that is compared does not exist.',
          };
        }
        if (typeof error === 'string' && error.startsWith('DATABASE_')) {
          return {
            to: 'runbook',
            runbook: 'database-connection',
            input: {},
            why: 'The database cannot be asked.',
          };
        }
        if (finding?.state === 'unknown' && error === undefined) {
          return {
            to: 'runbook',
            runbook: 'gold-incomplete',
            input: {},
            why: 'No batch has whole gold.',
          };
        }
        return undefined;
      },
    },
    ...rerunSteps<BatchInput>({
      why: {
        plan: 'Names the batch to load again and the views to refresh; what agrees is not touched.',
        approve:
          'The load swaps all rows in one transaction: readers see the old ones until it ends. A refresh does not stop readers where the view has a unique index.',
        act: 'The load writes all rows of gold whose review the source still has into a table of its own, checks the count, and swaps: orphans and strangers are gone with the old one.',
      },
      find,
      others: planViews,
      manual: () => 'reviewops pipeline load --batch-id BATCH_ID',
    }),
    {
      kind: 'act',
      id: 'refresh',
      title: 'Refresh the materialised views',
      why: 'A load refreshes them; here those are refreshed that are out of date without one.',
      manual: () =>
        `psql "$NEON_DB_URL" -c 'REFRESH MATERIALIZED VIEW CONCURRENTLY amazon.product_summary'`,
      timeout: 3600,
      when: (context) => (plannedViews(context).length > 0 ? true : 'No view is out of date.'),
      run: async (context) => {
        const [{ refreshView }, { withClient }] = await Promise.all([
          import('../diagnosis/served.js'),
          import('../database/client.js'),
        ]);
        const { target, ...options } = await databaseOf(context, { write: true });
        const stale = await staleViews(context);
        const refreshed: Record<string, string> = {};
        await withClient(target, { purpose: 'refresh views', ...options }, async (client) => {
          for (const name of plannedViews(context)) {
            if (!stale.includes(name)) continue;
            const { schema } = context.services.config.serving;
            refreshed[name] = await refreshView(client, schema, name);
          }
        });
        return { refreshed };
      },
      verify: async (context) => {
        const stale = await staleViews(context);
        const left = plannedViews(context).filter((name) => stale.includes(name));
        return left.length === 0
          ? { done: true, summary: 'The views say what their queries say.' }
          : { done: false, summary: `Still out of date: ${left.join(', ')}.` };
      },
    },
    {
      kind: 'check',
      id: 'prove',
      title: 'Does everything agree now?',
      why: 'The same comparison as at the beginning.',
      manual: () => 'reviewops runbook run inconsistent-rows --dry-run',
      must: true,
      when: ({ plan }) => ((plan?.targets.length ?? 0) > 0 ? true : 'Nothing was changed.'),
      timeout: 1800,
      run: async (context) =>
        listing(
          [...(await find(context)).map(({ reason }) => reason), ...(await staleViews(context))],
          { none: 'Gold, table, source and views agree.', some: 'Still inconsistent' },
          'problems',
        ),
    },
    {
      kind: 'check',
      id: 'dead',
      title: 'Did changes by hand leave dead rows?',
      why: 'Rows that were deleted or updated stay in the files until a VACUUM; many of them make queries slow.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables WHERE schemaname = 'amazon' ORDER BY n_dead_tup DESC"`,
      run: deadRowsFinding,
    },
    {
      kind: 'branch',
      id: 'vacuum',
      title: 'Is a VACUUM due?',
      why: 'The document’s cure for inconsistent rows ends with VACUUM ANALYZE; it is worth its cost where dead rows are.',
      manual: () => 'reviewops db vacuum --analyze',
      choose: async ({ results }) =>
        results.dead?.finding?.state === 'warning'
          ? {
              to: 'runbook',
              runbook: 'vacuum',
              input: { tables: (results.dead.finding.evidence?.tables ?? []) as string[] },
              why: results.dead.finding.summary,
            }
          : undefined,
    },
  ],
});
