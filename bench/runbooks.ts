// npm run bench:runbooks -- [--reviews N] [--files N] [--keys N] [--write]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { configSchema } from '../src/config/schema.js';
import type { HealthReport } from '../src/health/runner.js';
import { batchPrefix } from '../src/lake/layout.js';
import { openLocalLake } from '../src/lake/local.js';
import { defineRunbook, type Step } from '../src/runbooks/engine/definition.js';
import { startRun } from '../src/runbooks/engine/runner.js';
import type { S3Server } from '../test/support/s3-probe.js';
import { type Home, importSample, root, withHome } from './home.js';
import { cleanEnvironment, type Measured, measure } from './process.js';
import {
  bytes,
  count,
  machineFacts,
  type Row,
  renderRows,
  seconds,
  writeSection,
} from './report.js';
import { median } from './statistics.js';

const launcher = join(root, 'bin', 'run.js');
const pattern = 'reviewops-runbooks-{layer}';
const rounds = 7;

/** `health`, with everything that start-up costs, on a home whose pipeline has run. */
async function healthRows(reviews: number): Promise<Row[]> {
  return withHome(undefined, 'health', async (home) => {
    await importSample(home, reviews);
    await home.cli('pipeline', 'run');
    const env = cleanEnvironment(home.directory);
    const took: number[] = [];
    const bare: number[] = [];
    let looked = 0;
    for (let round = 0; round <= rounds; round += 1) {
      const command = `"${process.execPath}" "${launcher}" health --json --quiet --home .`;
      // Its status is what it found, not whether it worked.
      const run = await measure('sh', ['-c', `${command} || true`], { cwd: home.directory, env });
      const { result } = JSON.parse(run.stdout) as { result: HealthReport };
      looked = result.checks.filter(({ state }) => state !== 'skipped').length;
      const node = await measure('sh', ['-c', `"${process.execPath}" -e 0 || true`], {
        cwd: home.directory,
        env,
      });
      if (round === 0) continue;
      took.push(run.seconds);
      bare.push(node.seconds);
    }
    if (looked < 25) throw new Error(`Only ${looked} checks looked at something.`);
    return [
      {
        name: `health, ${looked} checks, ${count(reviews)} reviews, start-up included`,
        ours: seconds(median(took)),
        baseline: `${seconds(median(bare))} (node -e 0)`,
        ratio: median(took) / median(bare),
        target: '< 1 s',
        met: median(took) < 1,
      },
    ];
  });
}

const text = { title: 'Nothing', why: 'To measure the engine.', manual: () => 'true' };

/** A runbook whose steps do nothing: what a run of it takes is the engine's. */
const idle = (acts: number, checks: number) => {
  const steps: Step<Record<string, never>>[] = [
    {
      ...text,
      kind: 'plan',
      id: 'plan',
      run: async () => ({
        summary: 'Nothing.',
        targets: [{ type: 'nothing', name: 'nothing', action: 'nothing', state: {} }],
        totals: {},
        notes: [],
      }),
    },
    { ...text, kind: 'approve', id: 'approve', name: () => 'nothing', question: () => '?' },
  ];
  for (let index = 0; index < checks; index += 1) {
    const run = async () => ({ state: 'ok' as const, summary: 'Nothing.' });
    steps.push({ ...text, kind: 'check', id: `check-${index}`, run });
  }
  for (let index = 0; index < acts; index += 1) {
    const verify = async () => ({ done: true, summary: 'Nothing.' });
    steps.push({ ...text, kind: 'act', id: `act-${index}`, run: async () => ({}), verify });
  }
  return defineRunbook({
    id: 'idle',
    title: 'Nothing',
    summary: 'Nothing.',
    symptoms: [],
    tags: [],
    roles: ['admin'],
    risk: 'change',
    inputs: z.strictObject({}),
    targets: () => [],
    steps,
  });
};

/** Seconds of a run with these steps, its journal on disk. */
async function runIdle(directory: string, acts: number, checks: number): Promise<number> {
  const run = startRun(
    idle(acts, checks),
    {},
    {
      services: {
        config: configSchema.parse({}),
        home: directory,
        database: () => Promise.reject(new Error('not asked for')),
        databaseUrl: async () => undefined,
        lake: async () => openLocalLake(join(directory, 'data')),
        scratch: () => mkdtemp(join(directory, 'scratch-')),
        surroundings: async () => ({ lookup: () => undefined, profile: 'bench', directory }),
        pseudonymKey: async () => Buffer.from(''),
        tool: { name: 'reviewops', version: 'bench' },
        now: () => new Date(),
      },
      ask: async () => ({ type: 'yes', by: 'bench', how: 'bench' }),
      signal: new AbortController().signal,
    },
  );
  const started = performance.now();
  for (;;) {
    const next = await run.next();
    if (next.done !== true) continue;
    if (next.value.state !== 'succeeded') throw new Error(next.value.reason ?? '');
    return (performance.now() - started) / 1000;
  }
}

/** Seconds of one line that is appended and brought to the disk. */
async function syncSeconds(directory: string): Promise<number> {
  const handle = await open(join(directory, 'lines'), 'a');
  const line = `${'x'.repeat(400)}\n`;
  const started = performance.now();
  for (let index = 0; index < 200; index += 1) {
    await handle.appendFile(line);
    await handle.datasync();
  }
  await handle.close();
  return (performance.now() - started) / 1000 / 200;
}

async function engineRows(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'reviewops-bench-engine-'));
  const steps = 200;
  try {
    const perCheck: number[] = [];
    const perAct: number[] = [];
    const sync: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const none = await runIdle(directory, 1, 1);
      const checks = (await runIdle(directory, 1, 1 + steps)) - none;
      const acts = (await runIdle(directory, 1 + steps, 1)) - none;
      const one = await syncSeconds(directory);
      if (round === 0) continue;
      perCheck.push(checks / steps);
      perAct.push(acts / steps);
      sync.push(one);
    }
    const row = (name: string, value: number, syncs: number): Row => ({
      name,
      ours: `${(value * 1000).toFixed(2)} ms`,
      baseline:
        syncs === 0
          ? ''
          : `${(median(sync) * syncs * 1000).toFixed(2)} ms (${syncs} × append and fdatasync)`,
      ...(syncs === 0 ? {} : { ratio: value / (median(sync) * syncs) }),
      target: '< 2 ms',
      met: value < 0.002,
    });
    return [
      row('engine, a step that looks', median(perCheck), 0),
      row('engine, a step that acts, on disk before and after', median(perAct), 2),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const purge = (
  home: Home,
  environment: NodeJS.ProcessEnv,
): Promise<Measured & { deleted: number }> =>
  measure(
    process.execPath,
    [
      launcher,
      ...['batch', 'purge', '--older-than', '30d', '--confirm', 'batches', '--rate', '0'],
      ...['--json', '--quiet', '--home', home.directory],
    ],
    { cwd: home.directory, env: { ...cleanEnvironment(home.directory), ...environment } },
  ).then((run) => {
    const { result } = JSON.parse(run.stdout) as { result: { objectsDeleted: number } };
    return { ...run, deleted: result.objectsDeleted };
  });

async function makeFiles(lake: string, files: number): Promise<void> {
  for (let index = 0; index < files; index += 1) {
    const batch = `2020${String(1 + (index % 10)).padStart(2, '0')}01_000000`;
    const path = join(lake, batchPrefix('bronze', batch), `review/part-${index}.parquet`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, 'x');
  }
}

async function localPurgeRows(files: number): Promise<Row[]> {
  return withHome(undefined, 'purge', async (home) => {
    const copy = join(home.directory, 'copy');
    await makeFiles(copy, files);
    const { seconds: baseline } = await measure('rm', ['-rf', copy], {
      cwd: home.directory,
      env: cleanEnvironment(home.directory),
    });
    await makeFiles(join(home.directory, 'data'), files);
    const run = await purge(home, {});
    if (run.deleted !== files) throw new Error(`${run.deleted} of ${files} files were deleted.`);
    return [
      {
        name: `batch purge, ${count(files)} local files`,
        ours: `${seconds(run.seconds)}, ${bytes(run.peakBytes)} at most`,
        baseline: `${seconds(baseline)} (rm -rf, no plan, no proof)`,
        ratio: run.seconds / baseline,
      },
    ];
  });
}

async function withKeys<T>(keys: number, work: (server: S3Server) => Promise<T>): Promise<T> {
  const script = join(root, 'bench', 'runbooks-s3.ts');
  const args = ['--import', 'tsx', script, pattern, String(keys)];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return await work(JSON.parse(line) as S3Server);
  } finally {
    child.stdin.end();
  }
}

const purgeKeys = (keys: number): Promise<Measured> =>
  withKeys(keys, (server) =>
    withHome(undefined, 'purge-s3', async (home) => {
      const run = await purge(home, {
        REVIEWOPS_LAKE_KIND: 's3',
        REVIEWOPS_LAKE_S3_BUCKET: pattern,
        REVIEWOPS_LAKE_S3_ENCRYPTION: 'none',
        AWS_ENDPOINT_URL: server.endpoint,
        AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      });
      if (run.deleted !== keys) throw new Error(`${run.deleted} of ${keys} keys were deleted.`);
      return run;
    }),
  );

async function s3PurgeRows(keys: number): Promise<Row[]> {
  const few = keys / 10;
  const small = await purgeKeys(few);
  const large = await purgeKeys(keys);
  const ratio = (large.peakBytes ?? Number.NaN) / (small.peakBytes ?? Number.NaN);
  return [
    {
      name: `batch purge, ${count(keys)} keys on S3, groups of 1,000`,
      ours: seconds(large.seconds),
      baseline: `${seconds(small.seconds)} (${count(few)} keys)`,
    },
    {
      name: 'its memory at most',
      ours: bytes(large.peakBytes),
      baseline: `${bytes(small.peakBytes)} (${count(few)} keys)`,
      ratio,
      target: '≤ 1.3 ×',
      met: ratio <= 1.3,
    },
  ];
}

const { values } = parseArgs({
  options: {
    reviews: { type: 'string', default: '50000' },
    files: { type: 'string', default: '10000' },
    keys: { type: 'string', default: '100000' },
    write: { type: 'boolean', default: false },
  },
});
const rows = [
  ...(await healthRows(Number(values.reviews))),
  ...(await engineRows()),
  ...(await localPurgeRows(Number(values.files))),
  ...(await s3PurgeRows(Number(values.keys))),
];
const table = renderRows(rows);
const note = `Medians of ${rounds} runs for health and the engine. The S3 server is that of the tests, in a process of its own: its time is in ours, and each page of a list costs it the more the more keys there are (it sorts all of them).`;
process.stdout.write(`${table}\n\n${note}\n`);
if (values.write) {
  writeSection(
    'runbooks',
    'Health, runbooks and purges',
    `${machineFacts()}\n\n${table}\n\n${note}`,
  );
}
