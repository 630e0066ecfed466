// npm run bench:s3 -- [--reviews N] [--rounds N] [--megabytes N] [--home DIR] [--write]
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
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
import { median } from './statistics.js';

const pattern = 'reviewops-bench-{layer}';
const latency = 30;
const listed = 100_000;
const launcher = join(root, 'bin', 'run.js');

interface Servers {
  direct: string;
  slow: string;
  sink: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
}

async function withServers<T>(work: (servers: Servers) => Promise<T>): Promise<T> {
  const args = ['--import', 'tsx', join(root, 'bench', 's3-servers.ts'), pattern];
  const child = spawn(process.execPath, [...args, String(latency), String(listed)], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return await work(JSON.parse(line) as Servers);
  } finally {
    child.stdin.end();
  }
}

interface Figures {
  pipeline: number;
  verify: number;
  hashed: number;
}

async function measureLake(home: Home, environment: NodeJS.ProcessEnv): Promise<Figures> {
  const cli = async <Result>(...args: string[]): Promise<Measured & { result: Result }> => {
    const run = await measure(
      process.execPath,
      [launcher, ...args, '--json', '--quiet', '--home', home.directory],
      { cwd: home.directory, env: { ...cleanEnvironment(home.directory), ...environment } },
    );
    return { ...run, result: (JSON.parse(run.stdout) as { result: Result }).result };
  };
  const run = await cli<PipelineResult>('pipeline', 'run');
  const verified = await cli<{ batches: VerifyResult[] }>('batch', 'verify', run.result.batchId);
  const [batch] = verified.result.batches;
  return { pipeline: run.seconds, verify: batch?.seconds ?? Number.NaN, hashed: batch?.bytes ?? 0 };
}

const onS3 = ({ credentials }: Servers, endpoint: string): NodeJS.ProcessEnv => ({
  REVIEWOPS_LAKE_KIND: 's3',
  REVIEWOPS_LAKE_S3_BUCKET: pattern,
  AWS_ENDPOINT_URL: endpoint,
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
});

async function pipelineRows(home: Home, servers: Servers, rounds: number): Promise<Row[]> {
  const kinds = {
    local: {},
    direct: onS3(servers, servers.direct),
    slow: onS3(servers, servers.slow),
  };
  const found: Record<keyof typeof kinds, Figures[]> = { local: [], direct: [], slow: [] };
  // In turn, so that whatever else the machine does meets all; the first round warms the caches.
  for (let round = 0; round <= rounds; round += 1) {
    for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
      process.stderr.write(`round ${round} of ${rounds}: ${kind} …\n`);
      const figures = await measureLake(home, kinds[kind]);
      if (round > 0) found[kind].push(figures);
    }
  }
  const middle = (kind: keyof typeof kinds, pick: (figures: Figures) => number) =>
    median(found[kind].map(pick));
  const pipeline = ({ pipeline: value }: Figures) => value;
  const verify = ({ verify: value }: Figures) => value;
  const size = bytes(found.local[0]?.hashed);
  const local = { seconds: middle('local', pipeline), what: 'local lake' };
  const localVerify = { seconds: middle('local', verify), what: 'local lake' };
  return [
    ratioRow('whole pipeline on S3', middle('direct', pipeline), local, 1.5),
    {
      name: `whole pipeline on S3, ${latency} ms of latency`,
      ours: seconds(middle('slow', pipeline)),
      baseline: `${seconds(local.seconds)} (local lake)`,
      ratio: middle('slow', pipeline) / local.seconds,
    },
    {
      name: `batch verify on S3, ${size}`,
      ours: seconds(middle('direct', verify)),
      baseline: `${seconds(localVerify.seconds)} (local lake)`,
      ratio: middle('direct', verify) / localVerify.seconds,
    },
    {
      name: `batch verify on S3, ${latency} ms of latency`,
      ours: seconds(middle('slow', verify)),
      baseline: `${seconds(localVerify.seconds)} (local lake)`,
      ratio: middle('slow', verify) / localVerify.seconds,
    },
  ];
}

async function clientRows(home: Home, servers: Servers, megabytes: number): Promise<Row[]> {
  const path = join(home.directory, 'large.bin');
  const file = await open(path, 'w');
  for (let index = 0; index < megabytes; index += 1) await file.write(randomBytes(1_000_000));
  await file.close();
  const environment = {
    ...cleanEnvironment(home.directory),
    ...onS3(servers, servers.sink),
  };
  const cli = (...args: string[]) =>
    measure(process.execPath, [launcher, ...args, '--json', '--quiet', '--home', home.directory], {
      cwd: home.directory,
      env: environment,
    });
  const upload = await cli('lake', 'upload', path, '--layer', 'raw');
  const usage = await cli('lake', 'usage');
  const limit = 200e6;
  return [
    {
      name: `lake upload of ${megabytes} MB`,
      ours: `${seconds(upload.seconds)}, peak ${bytes(upload.peakBytes)}`,
      baseline: '',
      target: `≤ ${bytes(limit)}`,
      ...(upload.peakBytes === undefined ? {} : { met: upload.peakBytes <= limit }),
    },
    {
      name: `list of ${count(listed)} keys (lake usage)`,
      ours: `${seconds(usage.seconds)}, peak ${bytes(usage.peakBytes)}`,
      baseline: '',
    },
  ];
}

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
const rows = await withServers((servers) =>
  withHome(values.home, `s3-${reviews}`, async (home) => {
    await importSample(home, reviews);
    return [
      ...(await pipelineRows(home, servers, Number(values.rounds))),
      ...(await clientRows(home, servers, Number(values.megabytes))),
    ];
  }),
);
const text = `${count(reviews)} reviews; the S3 server of the tests (in memory, on the same machine). ${machineFacts()}\n\n${renderRows(rows)}\n\n\`npm run bench:s3 -- --reviews ${reviews} --rounds ${values.rounds} --write\``;
process.stdout.write(`${text}\n`);
if (values.write) writeSection('s3', 'The lake on S3', text);
