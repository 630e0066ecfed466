// npm run bench:s3 -- [--reviews N] [--rounds N] [--megabytes N] [--home DIR] [--write]
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { LakeUsage } from '../src/lake/usage.js';
import type { VerifyResult } from '../src/lake/verify.js';
import type { PipelineResult } from '../src/pipeline/run.js';
import { type Home, importSample, root, withHome } from './home.js';
import { cleanEnvironment, type Measured, measure } from './process.js';
import {
  bytes,
  count,
  machineFacts,
  type Row,
  ratioRow,
  renderRows,
  seconds,
  writeSection,
} from './report.js';
import { downloadAndHash, removeStored, storedObjects } from './s3-raw.js';
import type { BenchServers } from './s3-servers.js';
import { median } from './statistics.js';

const pattern = 'reviewops-bench-{layer}';
const layers = ['raw', 'bronze', 'silver', 'gold'];
const buckets = layers.map((layer) => pattern.replace('{layer}', layer));
const latency = 30;
const listed = 100_000;
const launcher = join(root, 'bin', 'run.js');

const tell = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

async function withServers<T>(work: (servers: BenchServers) => Promise<T>): Promise<T> {
  const args = ['--import', 'tsx', join(root, 'bench', 's3-servers.ts'), pattern];
  const child = spawn(process.execPath, [...args, String(latency), String(listed)], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return await work(JSON.parse(line) as BenchServers);
  } finally {
    child.stdin.end();
  }
}

type Cli = <Result>(...args: string[]) => Promise<Measured & { result: Result }>;

const cliOf =
  (home: Home, environment: NodeJS.ProcessEnv): Cli =>
  async <Result>(...args: string[]) => {
    const run = await measure(
      process.execPath,
      [launcher, ...args, '--json', '--quiet', '--home', home.directory],
      { cwd: home.directory, env: { ...cleanEnvironment(home.directory), ...environment } },
    );
    return { ...run, result: (JSON.parse(run.stdout) as { result: Result }).result };
  };

const onS3 = ({ server }: BenchServers, endpoint: string): NodeJS.ProcessEnv => ({
  REVIEWOPS_LAKE_KIND: 's3',
  REVIEWOPS_LAKE_S3_BUCKET: pattern,
  AWS_ENDPOINT_URL: endpoint,
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
});

/** Seconds, and the bytes that were verified. */
interface Figures {
  pipeline: number;
  verify: number;
  /** Downloading and hashing the same bytes; of the local lake nothing. */
  raw: number;
  bytes: number;
}

async function measureLake(
  home: Home,
  servers: BenchServers,
  endpoint: string | undefined,
): Promise<Figures> {
  const cli = cliOf(home, endpoint === undefined ? {} : onS3(servers, endpoint));
  const run = await cli<PipelineResult>('pipeline', 'run');
  const verified = await cli<{ batches: VerifyResult[] }>('batch', 'verify', run.result.batchId);
  const [batch] = verified.result.batches;
  if (batch === undefined) throw new Error('Nothing was verified.');
  const figures = { pipeline: run.seconds, verify: batch.seconds, bytes: batch.bytes };
  if (endpoint === undefined) {
    await home.emptyLake();
    return { ...figures, raw: Number.NaN };
  }
  const stored = await storedObjects(servers.server, buckets);
  const data = stored.filter(({ key }) => key.endsWith('.parquet'));
  const raw = await downloadAndHash(endpoint, data);
  await removeStored(servers.server, stored);
  return { ...figures, raw };
}

/** So much longer may verifying take when each request waits for the latency. */
const latencyLimit = 1.5;

async function pipelineRows(home: Home, servers: BenchServers, rounds: number): Promise<Row[]> {
  const endpoints = { local: undefined, direct: servers.server.endpoint, slow: servers.slow };
  const kinds = Object.keys(endpoints) as (keyof typeof endpoints)[];
  const found: Record<keyof typeof endpoints, Figures[]> = { local: [], direct: [], slow: [] };
  // In turn, so that whatever else the machine does meets all; the first round warms the caches.
  for (let round = 0; round <= rounds; round += 1) {
    for (const kind of kinds) {
      const figures = await measureLake(home, servers, endpoints[kind]);
      const { pipeline, verify, raw } = figures;
      tell(
        `round ${round} of ${rounds}, ${kind}: pipeline ${seconds(pipeline)}, verify ${seconds(verify)}, raw ${seconds(raw)}`,
      );
      if (round > 0 || rounds === 0) found[kind].push(figures);
    }
  }
  const middle = (kind: keyof typeof endpoints, field: keyof Figures) =>
    median(found[kind].map((figures) => figures[field]));
  const size = bytes(found.direct[0]?.bytes);
  const local = middle('local', 'pipeline');
  return [
    ratioRow(
      'whole pipeline on S3',
      middle('direct', 'pipeline'),
      { seconds: local, what: 'local lake' },
      1.5,
    ),
    {
      name: `whole pipeline on S3, ${latency} ms of latency`,
      ours: seconds(middle('slow', 'pipeline')),
      baseline: `${seconds(local)} (local lake)`,
      ratio: middle('slow', 'pipeline') / local,
    },
    {
      name: `batch verify on S3, ${size}`,
      ours: seconds(middle('direct', 'verify')),
      baseline: `${seconds(middle('direct', 'raw'))} (download and SHA-256)`,
      ratio: middle('direct', 'verify') / middle('direct', 'raw'),
    },
    ratioRow(
      `batch verify on S3, ${latency} ms of latency`,
      middle('slow', 'verify'),
      { seconds: middle('direct', 'verify'), what: 'without' },
      latencyLimit,
    ),
    {
      name: 'batch verify of the local lake',
      ours: seconds(middle('local', 'verify')),
      baseline: '',
    },
  ];
}

const uploadLimit = 200e6;
const listGrowth = 1.2;

async function uploadRow(home: Home, servers: BenchServers, megabytes: number): Promise<Row> {
  const path = join(home.directory, 'large.bin');
  const file = await open(path, 'w');
  for (let index = 0; index < megabytes; index += 1) await file.write(randomBytes(1_000_000));
  await file.close();
  const cli = cliOf(home, onS3(servers, servers.sink));
  const upload = await cli('lake', 'upload', path, '--layer', 'raw');
  await rm(path);
  return {
    name: `lake upload of ${megabytes} MB`,
    ours: `${seconds(upload.seconds)}, peak ${bytes(upload.peakBytes)}`,
    baseline: '',
    target: `≤ ${bytes(uploadLimit)}`,
    ...(upload.peakBytes === undefined ? {} : { met: upload.peakBytes <= uploadLimit }),
  };
}

async function listRow(home: Home, servers: BenchServers): Promise<Row> {
  const usage = async (sink: string, keys: number) => {
    const run = await cliOf(home, onS3(servers, sink))<LakeUsage>('lake', 'usage');
    const found = run.result.layers[0]?.objects;
    if (found !== keys) throw new Error(`${found} keys were listed in place of ${keys}.`);
    return run;
  };
  const small = await usage(servers.smallSink, listed / 100);
  const large = await usage(servers.sink, listed);
  const ratio = (large.peakBytes ?? Number.NaN) / (small.peakBytes ?? Number.NaN);
  return {
    name: `list of ${count(listed)} keys`,
    ours: `${seconds(large.seconds)}, peak ${bytes(large.peakBytes)}`,
    baseline: `${seconds(small.seconds)}, peak ${bytes(small.peakBytes)} (${count(listed / 100)} keys)`,
    ...(Number.isNaN(ratio) ? {} : { ratio, met: ratio <= listGrowth }),
    target: `peak ≤ ${listGrowth} ×`,
  };
}

const notes = `- *local lake*: the same command line on a local lake, in turn with the others.
- *download and SHA-256*: the batch's files over plain HTTP 8 at once, hashed as they arrive and thrown away. \`batch verify\` does that, too, keeps a copy while it looks into each file with the query engine, and compares; loading the AWS SDK and the engine is most of the difference, and does not grow with the batch.
- With latency, a proxy in front of the server waits ${latency} ms before it passes a request on; the proxy's own work counts as ours.
- *lake upload*, *list*: against a store that keeps nothing, so that the peak is the client's and the time is not the server's.`;

const { values } = parseArgs({
  options: {
    reviews: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: '1000' },
    home: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const reviews = Number(values.reviews);
const load = loadavg();
const rows = await withServers((servers) =>
  withHome(values.home, `s3-${reviews}`, async (home) => {
    await importSample(home, reviews);
    return [
      ...(await pipelineRows(home, servers, Number(values.rounds))),
      await uploadRow(home, servers, Number(values.megabytes)),
      await listRow(home, servers),
    ];
  }),
);
const command = `npm run bench:s3 -- --reviews ${reviews} --rounds ${values.rounds}`;
const average = [...load.slice(0, 1), ...loadavg().slice(0, 1)].map((value) => value.toFixed(1));
const text = `\`${command}\` on ${machineFacts()}. ${count(reviews)} reviews; the S3 server of the tests, in memory on the same machine. Load average before and after: ${average.join(', ')}.\n\n${renderRows(rows)}\n\n${notes}`;
process.stdout.write(`${text}\n`);
if (values.write) writeSection('s3', 'The lake on S3', text);
