import { readRowsAndColumns } from '../../engine/parquet-footer.js';
import { type BatchProblem, fileIsMissing, isDamage } from '../../lake/batch-state.js';
import type { BatchDetails } from '../../lake/batches.js';
import type { Lake, Layer } from '../../lake/lake.js';
import { listLeases } from '../../lake/lease.js';
import type { ManifestTable } from '../../lake/manifest.js';
import { factColumns } from '../../pipeline/fact-columns.js';
import { formatCount } from '../../system/duration.js';
import { errorMessage } from '../../system/errors.js';
import { describeOwner } from '../../system/owner.js';
import {
  type Check,
  critical,
  type Finding,
  judged,
  ok,
  several,
  skipped,
  warning,
} from '../check.js';
import type { HealthContext } from '../context.js';
import type { LakeSurvey } from '../lake-survey.js';

/** What the lake holds: whether the newest batches are whole and fit together. */

const group = 'lake';

/** What to say where there is no finished batch. */
function nothing({ batchIds }: LakeSurvey): Finding {
  return batchIds.length === 0
    ? skipped('there is no batch yet')
    : skipped('the newest batches are still being worked on');
}

/** A check of the newest finished batch. */
const ofNewest =
  (
    judge: (newest: BatchDetails, survey: LakeSurvey, context: HealthContext) => Promise<Finding>,
  ): Check['run'] =>
  async (context) => {
    const survey = await context.lake();
    const [newest] = await survey.recent();
    return newest === undefined ? nothing(survey) : judge(newest, survey, context);
  };

const rowsOf = ({ manifests }: BatchDetails, layer: Layer, table: string): number | undefined =>
  manifests.find((manifest) => manifest.layer === layer)?.tables.find(({ name }) => name === table)
    ?.rows;

export const silver: Check = {
  name: 'silver',
  title: 'Silver of the newest batch',
  group,
  needs: ['lake'],
  run: ofNewest(async (newest) => {
    const { batchId } = newest;
    const rows = rowsOf(newest, 'silver', 'review');
    const evidence = { batchId, rows: rows ?? null, layers: newest.layers };
    const runbook = { id: 'silver-missing', input: { batchId } };
    if (!newest.layers.includes('silver')) {
      return critical(`batch ${batchId} has no silver`, { evidence, runbook });
    }
    if (rows === undefined) {
      const cure = { id: 'model-crash', input: { batchId } };
      return critical(`silver of batch ${batchId} lacks the table review`, {
        evidence,
        runbook: cure,
      });
    }
    return ok(`${formatCount(rows)} rows in batch ${batchId}`, {
      value: rows,
      unit: 'count',
      evidence,
    });
  }),
};

export const gold: Check = {
  name: 'gold',
  title: 'Gold of the newest batch, as complete as silver',
  group,
  needs: ['lake'],
  run: ofNewest(async (newest) => {
    const { batchId } = newest;
    const facts = rowsOf(newest, 'gold', 'fact_reviews');
    const reviews = rowsOf(newest, 'silver', 'review');
    const evidence = { batchId, gold: facts ?? null, silver: reviews ?? null };
    const runbook = { id: 'gold-incomplete', input: { batchId } };
    if (facts === undefined) {
      const what = newest.layers.includes('gold') ? 'gold lacks fact_reviews' : 'no gold';
      return critical(`batch ${batchId}: ${what}`, { evidence, runbook });
    }
    const shared = { value: facts, unit: 'count' as const, evidence };
    if (reviews !== undefined && facts < reviews) {
      return critical(
        `batch ${batchId}: ${formatCount(facts)} rows of the ${formatCount(reviews)} in silver`,
        { ...shared, runbook },
      );
    }
    const stale = newest.problems.find(
      ({ kind, layer }) => kind === 'stale-layer' && layer === 'gold',
    );
    return stale === undefined
      ? ok(`${formatCount(facts)} rows in batch ${batchId}`, shared)
      : warning(`batch ${batchId}: ${stale.problem}`, { ...shared, runbook, next: stale.hint });
  }),
};

/** A file that is gone is made again; one that is damaged has to go first. */
const cureOfProblems = (problems: readonly BatchProblem[]): string =>
  problems.some((problem) => isDamage(problem) && problem.problem !== fileIsMissing)
    ? 'corrupt-batch'
    : 'parquet-not-found';

export const manifests: Check = {
  name: 'manifests',
  title: 'Manifests and files of the newest batches',
  group,
  needs: ['lake'],
  run: async ({ lake }) => {
    const survey = await lake();
    const recent = await survey.recent();
    if (recent.length === 0) return nothing(survey);
    const problems = recent.flatMap(({ batchId, problems: found }) =>
      found
        // Silver and gold that were never made have checks of their own.
        .filter(({ kind }) => kind !== 'missing-layer' && kind !== 'stale-layer')
        .map((problem) => ({ batchId, ...problem })),
    );
    const shared = { value: problems.length, unit: 'count' as const };
    const [first] = problems;
    if (first === undefined)
      return ok(`${recent.length} batches are as their manifests say`, shared);
    const keys = problems.map(({ key, problem }) => `${key}: ${problem}`);
    return critical(several(keys, 2), {
      ...shared,
      evidence: { problems },
      runbook: {
        id: cureOfProblems(problems.filter(({ batchId }) => batchId === first.batchId)),
        input: { batchId: first.batchId },
      },
      next: first.hint,
    });
  },
};

/** Larger files are not brought from a store that is far away, in bytes. */
const largestFetch = 32e6;

/** Columns that the serving table needs of gold: the customer is looked up at the load. */
const goldColumns = factColumns.map((name) => (name === 'customer_id' ? 'buyer_id' : name));

export const parquet: Check = {
  name: 'parquet-schema',
  title: 'Parquet files of the newest batch',
  group,
  needs: ['lake'],
  run: ofNewest(async (newest, { lake }, { scratch, signal }) => {
    const { batchId } = newest;
    const missing = await missingColumns(newest);
    if (missing.length > 0) {
      return critical(`batch ${batchId} lacks the columns ${several(missing)}`, {
        evidence: { batchId, missing },
        runbook: { id: 'model-crash', input: { batchId } },
      });
    }
    const tables = newest.manifests
      .filter(({ layer }) => layer === 'silver' || layer === 'gold')
      .flatMap((manifest) => manifest.tables);
    const readable = tables.filter(({ files: [file] }) => (file?.bytes ?? 0) <= largestFetch);
    const problems = await readFooters(lake, readable, scratch, signal);
    if (problems.length > 0) {
      return critical(several(problems, 1), {
        evidence: { batchId, problems },
        runbook: { id: 'corrupt-batch', input: { batchId } },
      });
    }
    const evidence = { batchId, read: readable.length, tables: tables.length };
    if (readable.length === 0 && tables.length > 0) {
      return skipped(`the files of batch ${batchId} are too large to be read at each look`, {
        evidence,
      });
    }
    const part = readable.length === tables.length ? '' : `${readable.length} of `;
    return ok(`${part}${tables.length} tables of batch ${batchId} have the columns they should`, {
      evidence,
    });
  }),
};

/** `silver.review.rating`, for what the next stage would miss. */
async function missingColumns({ manifests: published }: BatchDetails): Promise<string[]> {
  const { modelColumns } = await import('../../pipeline/model.js');
  const lacking = (layer: Layer, table: string, wanted: readonly string[]): string[] => {
    const found = published
      .find((manifest) => manifest.layer === layer)
      ?.tables.find(({ name }) => name === table);
    if (found === undefined) return [];
    const present = found.columns.map(({ name }) => name);
    return wanted
      .filter((name) => !present.includes(name))
      .map((name) => `${layer}.${table}.${name}`);
  };
  return [
    ...lacking('silver', 'review', modelColumns),
    ...lacking('gold', 'fact_reviews', goldColumns),
  ];
}

/** Compares the first file of each table with what its manifest says of it. */
async function readFooters(
  lake: Lake,
  tables: readonly ManifestTable[],
  scratch: () => Promise<string>,
  signal: AbortSignal,
): Promise<string[]> {
  const problems: string[] = [];
  for (const { columns, files } of tables) {
    const [file] = files;
    if (file === undefined) continue;
    signal.throwIfAborted();
    const copy = await lake.fetch(file.key, await scratch());
    try {
      const found = await readRowsAndColumns(copy.path);
      if (found.rows !== file.rows) {
        problems.push(`${file.key} has ${found.rows} rows in place of ${file.rows}`);
      } else if (found.columns.join() !== columns.map(({ name }) => name).join()) {
        problems.push(`${file.key} has other columns than its manifest says`);
      }
    } catch (error) {
      problems.push(`${file.key} is no readable Parquet file: ${errorMessage(error)}`);
    } finally {
      await copy.dispose();
    }
  }
  return problems;
}

export const leases: Check = {
  name: 'leases',
  title: 'Leases left behind',
  group,
  needs: ['lake'],
  run: async ({ lake, now }) => {
    const survey = await lake();
    const read = await listLeases(survey.lake, now());
    const dead = read.filter(({ live }) => !live);
    const damaged = survey.leases.length - read.length;
    const evidence = {
      held: read.length - dead.length,
      left: dead.map(({ name, owner, renewedAt }) => ({
        name,
        owner: describeOwner(owner),
        renewedAt,
      })),
      damaged: Math.max(0, damaged),
    };
    const count = dead.length + evidence.damaged;
    const [first] = dead;
    const batchId = first?.name.startsWith('batch=')
      ? first.name.slice('batch='.length)
      : undefined;
    return judged(
      count > 0 ? 'warning' : 'ok',
      first !== undefined
        ? `${several(dead.map(({ name, owner }) => `${name} of ${describeOwner(owner)}, which is gone`))}`
        : evidence.damaged > 0
          ? `${evidence.damaged} cannot be read`
          : `${evidence.held} held, none left behind`,
      {
        value: count,
        unit: 'count',
        evidence,
        runbook:
          batchId === undefined
            ? { id: 'corrupt-batch', input: {} }
            : { id: 'parquet-not-found', input: { batchId } },
        next:
          batchId === undefined
            ? 'Make sure that nobody works on it, then delete it.'
            : `Run \`reviewops pipeline run --batch-id ${batchId}\`, which takes it over.`,
      },
    );
  },
};
