// npm run bench:peers -- [--reviews N,N…] [--home DIR] [--write] [--strict]
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { quoteTable } from '../src/database/identifiers.js';
import { manifestKey } from '../src/lake/layout.js';
import type { Manifest } from '../src/lake/manifest.js';
import type { PipelineResult } from '../src/pipeline/run.js';
import { config, type Home, importSample, root, withHome } from './home.js';
import { cleanEnvironment, type Measured, measure } from './process.js';
import {
  bytes,
  count,
  machineFacts,
  renderTable,
  seconds,
  shownCommand,
  writeSection,
} from './report.js';

const python =
  process.platform === 'win32'
    ? join(root, '.peers', 'venv', 'Scripts', 'python.exe')
    : join(root, '.peers', 'venv', 'bin', 'python');
const program = join(root, 'peers', 'pandas_pipeline.py');
const goalFrom = 1_000_000;
const goalRatio = 15;

interface PeerResult {
  stages: Record<string, number>;
  loaded: number;
  rejected: number;
}

interface Comparison {
  reviews: number;
  ours: Measured & { result: PipelineResult };
  peer: Measured & { result: PeerResult };
  agreement: Agreement;
}

interface Agreement {
  ours: number;
  theirs: number;
  /** Rows that only one of the two has, or that differ in anything but the score. */
  different: number;
  /** Of two scores of one review. */
  largestDifference: number;
}

/** Both pipelines on one database; the one that ends first is not told of the other. */
async function compare(parent: string | undefined, reviews: number): Promise<Comparison> {
  return withHome(parent, `reviews-${reviews}`, async (home) => {
    await importSample(home, reviews);
    await home.emptyLake();
    const ours = await home.cli<PipelineResult>('pipeline', 'run');
    const peer = await runPeer(home, ours.result.batchId);
    return { reviews, ours, peer, agreement: await agree(home) };
  });
}

const target = 'peers.fact_reviews';
const facts = quoteTable(config.serving.schema, config.serving.table);

async function runPeer(home: Home, batchId: string): Promise<Comparison['peer']> {
  await home.sql(async (client) => {
    await client.execute('DROP SCHEMA IF EXISTS peers CASCADE');
    await client.execute('CREATE SCHEMA peers');
    await client.execute(`CREATE TABLE ${target} (LIKE ${facts} INCLUDING ALL)`);
  });
  const manifest = JSON.parse(
    readFileSync(join(home.directory, 'data', manifestKey('gold', batchId)), 'utf8'),
  ) as Manifest;
  const lake = join(home.directory, 'peers-data');
  await rm(lake, { recursive: true, force: true });
  const run = await measure(python, [program, lake, batchId, manifest.source.snapshotAt, target], {
    cwd: home.directory,
    env: {
      ...cleanEnvironment(home.directory),
      PEERS_DATABASE_URL: (await home.target()).url,
      PEERS_PSEUDONYM_KEY: randomBytes(32).toString('base64url'),
    },
  });
  await rm(lake, { recursive: true, force: true });
  return { ...run, result: JSON.parse(run.stdout) as PeerResult };
}

/** Columns that both must fill alike. */
const compared = [
  'customer_id',
  'product_name',
  'category',
  'title',
  'body',
  'rating',
  'has_image',
  'image_url',
  'verified_purchase',
  'helpful_votes',
  'order_count',
  'reviewed_at',
];

async function agree(home: Home): Promise<Agreement> {
  const row = (side: string) => `(${compared.map((column) => `${side}.${column}`).join(', ')})`;
  const [found] = await home.sql((client) =>
    client.query<Record<keyof Agreement, string | null>>(
      `SELECT count(ours.review_id)::text AS ours, count(peer.review_id)::text AS theirs,
              count(*) FILTER (WHERE ${row('ours')} IS DISTINCT FROM ${row('peer')})::text AS different,
              max(abs(ours.score - peer.score))::text AS "largestDifference"
       FROM ${facts} AS ours FULL JOIN ${target} AS peer USING (review_id, product_id)`,
    ),
  );
  await home.sql((client) => client.execute('DROP SCHEMA peers CASCADE'));
  return {
    ours: Number(found?.ours),
    theirs: Number(found?.theirs),
    different: Number(found?.different),
    largestDifference: Number(found?.largestDifference),
  };
}

function rowsOf({ reviews, ours, peer }: Comparison): string[][] {
  const size = `${count(reviews)} reviews`;
  const ratio = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? '' : `${(b / a).toFixed(1)} ×`;
  const stages = ours.result.stages.map(({ stage, seconds: took }) => [
    `${stage}, ${size}`,
    seconds(took),
    seconds(peer.result.stages[stage] ?? Number.NaN),
    ratio(took, peer.result.stages[stage]),
    '',
    '',
  ]);
  const goal = reviews >= goalFrom;
  return [
    [
      `wall time, ${size}`,
      seconds(ours.seconds),
      seconds(peer.seconds),
      ratio(ours.seconds, peer.seconds),
      goal ? `≥ ${goalRatio} ×` : '',
      goal ? (isFastEnough(ours, peer) ? 'ok' : 'MISSED') : '',
    ],
    [
      `peak memory, ${size}`,
      bytes(ours.peakBytes),
      bytes(peer.peakBytes),
      ratio(ours.peakBytes, peer.peakBytes),
      goal ? 'less' : '',
      goal ? (isSmallEnough(ours, peer) ? 'ok' : 'MISSED') : '',
    ],
    ...stages,
  ];
}

const isFastEnough = (ours: Measured, peer: Measured): boolean =>
  peer.seconds / ours.seconds >= goalRatio;
const isSmallEnough = (ours: Measured, peer: Measured): boolean =>
  ours.peakBytes !== undefined && peer.peakBytes !== undefined && ours.peakBytes < peer.peakBytes;

const agreementText = ({ reviews, agreement }: Comparison): string =>
  `${count(reviews)} reviews: both published ${agreement.ours === agreement.theirs ? count(agreement.ours) : `${count(agreement.ours)} and ${count(agreement.theirs)}`} rows; ${count(agreement.different)} differ, and scores by at most ${agreement.largestDifference.toExponential(0)}.`;

const describe = (command: string, table: string, agreement: string): string => `
\`${command}\` on ${machineFacts()}

${table}

${agreement}

The other side is \`peers/pandas_pipeline.py\`: the same job on the same tables the way it is commonly
written in Python, with \`pandas.read_sql\`, pandas merges, numpy for the scores, Parquet through pyarrow
and \`DataFrame.to_sql\` (default method, which SQLAlchemy sends as INSERTs of many rows, in chunks of
10,000). Versions are in \`peers/requirements.txt\`. It refreshes no view, writes no hashes and can neither
resume nor verify. Neither computes sentiment. One run of each, reviewops first.
`;

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const { values } = parseArgs({
    args,
    options: {
      reviews: { type: 'string', default: '50000' },
      home: { type: 'string' },
      write: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
    },
  });
  const comparisons: Comparison[] = [];
  for (const text of values.reviews.split(',')) {
    const reviews = Number(text);
    if (!Number.isSafeInteger(reviews) || reviews <= 0) {
      throw new Error(`"${text}" is not a number of reviews.`);
    }
    process.stderr.write(`${count(reviews)} reviews …\n`);
    comparisons.push(await compare(values.home, reviews));
  }
  const table = renderTable(
    ['what', 'reviewops', 'pandas', 'pandas ÷ reviewops', 'goal', ''],
    comparisons.flatMap(rowsOf),
  );
  const agreement = comparisons.map(agreementText).join(' ');
  process.stdout.write(`${table}\n\n${agreement}\n`);
  if (values.write) {
    writeSection(
      'peers',
      'Beside a pipeline in pandas',
      describe(shownCommand('bench:peers', args), table, agreement),
    );
  }
  const missed = comparisons.some(
    ({ reviews, ours, peer }) =>
      reviews >= goalFrom && !(isFastEnough(ours, peer) && isSmallEnough(ours, peer)),
  );
  const disagree = comparisons.some(
    ({ agreement: { ours, theirs, different, largestDifference } }) =>
      ours !== theirs || different > 0 || largestDifference > 1e-6,
  );
  if (disagree) process.stderr.write('The two do not agree: the times compare different work.\n');
  if (disagree || (values.strict && missed)) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
}
