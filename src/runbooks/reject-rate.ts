import type { RejectRate } from '../diagnosis/rejects.js';
import {
  defineRunbook,
  type Finding,
  type JsonObject,
  type StepContext,
} from './engine/definition.js';
import { withEngine } from './support/context.js';
import { look } from './support/evidence.js';
import { type BatchInput, batchInput, idIn, sameBatch } from './support/inputs.js';

type Context = StepContext<BatchInput>;

/** How many batches before the one in question make the usual rate. */
const memory = 7;
/** Growth against the batch before, from which it is worth a look. */
const alarmingGrowth = 1.5;

/** The batch in question and those before it, newest first. */
async function rates(context: Context): Promise<{ now?: RejectRate; before: RejectRate[] }> {
  const { rejectRate } = await import('../diagnosis/rejects.js');
  const { table } = context.services.config.source.entities.review;
  const { batches } = await look(context, undefined, Number.POSITIVE_INFINITY);
  const all = batches.flatMap((batch) => rejectRate(batch, table) ?? []);
  const { batchId } = context.input;
  const index = batchId === undefined ? 0 : all.findIndex((rate) => rate.batchId === batchId);
  const now = all[index];
  return now === undefined
    ? { before: [] }
    : { now, before: all.slice(index + 1, index + 1 + memory) };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** What each rule says about the source, and what to do. */
const advice: Record<string, string> = {
  duplicate_review_id:
    'the same review comes twice: look for a table loaded twice, or a key that is no longer unique; the first is kept, so nothing is lost',
  review_id_missing: 'the source gives reviews without an id: its export or mapping is broken',
  id_too_long: 'ids are texts of another column: check source.entities.review',
  rating_missing: 'ratings are null or no numbers: check source.entities.review.rating',
  rating_out_of_range: 'ratings are not 1 to 5: has the source changed its scale?',
  body_blank:
    'texts are empty: check source.entities.review.body, and whether the source cuts texts',
  verified_purchase_invalid:
    'the flag is no yes or no: check source.entities.review.verified_purchase',
  helpful_votes_invalid:
    'votes are no whole numbers, or too large: check source.entities.review.helpful_votes',
  created_at_invalid: 'times cannot be read: check source.entities.review.created_at',
  product_unknown:
    'reviews are linked to no product: the table of links is empty, late, or not extracted',
};

export default defineRunbook({
  module: import.meta.url,
  id: 'reject-rate',
  title: 'The reject rate is abnormal',
  summary:
    'Counts what was rejected by rule, against the batch before and the usual rate, names the rule that grew and a few ids, and says what it means for the source. Changes nothing.',
  symptoms: [
    'reject rate',
    'too many rejects',
    'rows rejected',
    'many reviews are rejected',
    'fewer reviews than expected',
    'data quality alert',
    'source quality degraded',
    'duplicates in the source',
    'rating out of range',
  ],
  tags: ['quality', 'pipeline', 'silver'],
  roles: ['admin', 'data-engineer', 'analyst'],
  risk: 'read',
  inputs: batchInput,
  targets: () => [],
  steps: [
    {
      kind: 'check',
      id: 'rate',
      title: 'How much was rejected?',
      why: 'Rejected rows are kept with their reason, but they are neither scored nor served. Below 5 % is usual; from 10 % on something is broken.',
      manual: (input) => `reviewops batch show ${idIn(input)} --json`,
      run: async (context): Promise<Finding> => {
        const { now } = await rates(context);
        if (now === undefined) {
          return { state: 'unknown', summary: 'No batch has silver to judge by.', evidence: {} };
        }
        const { rejectWarningPercent, rejectCriticalPercent } = context.services.config.pipeline;
        const share = 100 * now.rate;
        const state =
          share >= rejectCriticalPercent
            ? 'critical'
            : share >= rejectWarningPercent
              ? 'warning'
              : 'ok';
        return {
          state,
          summary: `Batch ${now.batchId}: ${now.rejected} of ${now.judged} reviews, ${percent(now.rate)}.`,
          evidence: { ...now },
        };
      },
    },
    {
      kind: 'check',
      id: 'growth',
      title: 'Is that more than before?',
      why: 'A rate that was always high is a property of the source; one that jumped is an event with a date.',
      manual: () => 'reviewops batch list --json',
      run: async (context): Promise<Finding> => {
        const { now, before } = await rates(context);
        const [previous] = before;
        if (now === undefined || previous === undefined) {
          return { state: 'unknown', summary: 'There is no batch before to compare with.' };
        }
        const mean = before.reduce((sum, { rate }) => sum + rate, 0) / before.length;
        const grown = now.rate > alarmingGrowth * previous.rate && now.rejected > previous.rejected;
        return {
          state: grown ? 'warning' : 'ok',
          summary: `${percent(now.rate)} now, ${percent(previous.rate)} in ${previous.batchId}, ${percent(mean)} on average of ${before.length}.`,
          evidence: { now: now.rate, previous: previous.rate, mean, batches: before.length },
        };
      },
    },
    {
      kind: 'check',
      id: 'rules',
      title: 'Which rule rejects?',
      why: 'Each rule points at another part of the source.',
      manual: (input) => `reviewops batch show ${idIn(input)} --json`,
      run: async (context): Promise<Finding> => {
        const { ruleChanges } = await import('../diagnosis/rejects.js');
        const { now, before } = await rates(context);
        if (now === undefined) return { state: 'unknown', summary: 'No batch has silver.' };
        const changes = ruleChanges(now, before);
        const [worst] = changes;
        const bad = ['critical', 'warning'].some((state) =>
          ['rate', 'growth'].some((id) => context.results[id]?.finding?.state === state),
        );
        if (worst === undefined) return { state: 'ok', summary: 'No rule rejected anything.' };
        const usual = worst.before === null ? '' : `, usually ${percent(worst.before)}`;
        return {
          state: bad ? 'warning' : 'ok',
          summary: `${worst.rule} most (${worst.rows} rows, ${percent(worst.share)}${usual}): ${advice[worst.rule] ?? 'see the rejected rows'}.`,
          evidence: { rules: changes.map((change) => ({ ...change })), worst: worst.rule },
        };
      },
    },
    {
      kind: 'check',
      id: 'examples',
      title: 'Which reviews, for example?',
      why: 'A few ids are enough to look them up in the source. Texts and customers stay where they are.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT review_id, rating, length(body) FROM amazon.review WHERE review_id IN ('…')"`,
      when: ({ results }) =>
        results.rules?.finding?.state === 'warning' ? true : 'The rate is usual.',
      run: async (context): Promise<Finding> => {
        const { rejectExamples } = await import('../diagnosis/rejects.js');
        const { now } = await rates(context);
        const { batches } = await look(context, now?.batchId, 1);
        const [batch] = batches;
        if (batch === undefined) return { state: 'unknown', summary: 'The batch is gone.' };
        const examples = await withEngine(context, async (engine, scratch) =>
          rejectExamples(await context.services.lake(), batch, engine, scratch, 5),
        );
        const worst = String(context.results.rules?.finding?.evidence?.worst ?? '');
        const ids = (examples[worst] ?? []).map((id) => id ?? 'without an id');
        return {
          state: 'ok',
          summary: `${worst}: ${ids.join(', ')}.`,
          evidence: { examples: examples as JsonObject },
        };
      },
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'Is it another problem?',
      why: 'Without silver there is nothing to judge by; without links every review is rejected.',
      manual: () => 'reviewops runbook list',
      choose: async (context) => {
        const { results, input } = context;
        if (results.rate?.finding?.state === 'unknown') {
          return {
            to: 'runbook',
            runbook: 'silver-missing',
            input: sameBatch(input.batchId),
            why: 'There is no silver to judge by.',
          };
        }
        const { worst, rules } = results.rules?.finding?.evidence ?? {};
        const rows = Number(results.rate?.finding?.evidence?.rejected ?? 0);
        const judged = Number(results.rate?.finding?.evidence?.judged ?? 0);
        if (results.rules?.finding?.state !== 'warning' || rules === undefined) return undefined;
        return worst === 'product_unknown' && rows === judged
          ? {
              to: 'runbook',
              runbook: 'relation-not-found',
              input: {},
              why: 'No review is linked to a product: the table of links is missing or empty.',
            }
          : undefined;
      },
    },
    {
      kind: 'manual',
      id: 'decide',
      title: 'Correct the source, or accept the rate',
      why: 'Whether rows are wrong or the rule is too strict for this source is a decision of people; it is recorded who took it.',
      manual: () => 'reviewops config show | grep reject',
      when: ({ results }) =>
        results.rate?.finding?.state === 'critical' ? true : 'The rate is not critical.',
      instruction: ({ results }) =>
        `${results.rate?.finding?.summary ?? ''} ${results.rules?.finding?.summary ?? ''} Tell the owner of the source, with the ids above; or accept it and raise pipeline.rejectCriticalPercent for a while.`,
    },
  ],
});
