import { appendFile, mkdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkJournals } from '../../src/cli/journals.js';
import { parquet } from '../../src/health/checks/batches.js';
import { checksums } from '../../src/health/checks/integrity.js';
import type { HealthContext } from '../../src/health/context.js';
import { surveyLake } from '../../src/health/lake-survey.js';
import type { LakeObject } from '../../src/lake/lake.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { Manifest } from '../../src/lake/manifest.js';
import { Journal, journalPath } from '../../src/runbooks/engine/journal.js';
import { thisProcess } from '../../src/system/owner.js';
import { publishBatch } from '../support/batches.js';
import { copyFiles, type Examination, look, makeHealthyWorld } from './support.js';

let world: Awaited<ReturnType<typeof makeHealthyWorld>>;
let batchId: string;
let root: string;
const copies: { remove(): Promise<void> }[] = [];

beforeAll(async () => {
  world = await makeHealthyWorld();
  batchId = world.batchId;
});
afterAll(() => world.dispose());
afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.remove();
});

const names = [
  'lake',
  'lake-writable',
  'lake-space',
  'disk',
  'silver',
  'gold',
  'manifests',
  'parquet-schema',
  'leases',
  'error-lines',
  'pseudonym-key',
];

/** What is found in a copy of the world’s lake after the change. */
async function lookAfter(
  change: (path: (key: string) => string) => Promise<unknown>,
  more: Partial<Parameters<typeof look>[1]> = {},
): Promise<Examination> {
  const copy = await copyFiles(world.root);
  copies.push(copy);
  root = copy.root;
  await change((key) => join(root, 'data', key));
  return look(names, { root, ...more });
}

const inBatch = (layer: string, rest: string) => `${layer}/batch=${batchId}/${rest}`;

async function editManifest(path: string, edit: (manifest: Manifest) => void): Promise<void> {
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
  edit(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

const states = ({ report }: Examination) =>
  report.checks
    .filter(({ state }) => state !== 'ok' && state !== 'skipped')
    .map(({ name }) => name);

it('finds a healthy lake ok, and leaves nothing in it', async () => {
  const examination = await lookAfter(async () => undefined);
  expect(states(examination)).toEqual([]);
  const objects: LakeObject[] = [];
  for await (const object of openLocalLake(join(root, 'data')).list('')) objects.push(object);
  expect(objects.filter(({ key }) => key.includes('health-probe'))).toEqual([]);
});

describe('batches', () => {
  it('finds silver missing', async () => {
    const found = await lookAfter((path) => rm(path(inBatch('silver', '')), { recursive: true }));
    expect(found.check('silver')).toMatchObject({
      state: 'critical',
      runbook: { id: 'silver-missing', input: { batchId } },
    });
  });

  it('finds gold missing', async () => {
    const found = await lookAfter((path) => rm(path(inBatch('gold', '')), { recursive: true }));
    expect(states(found)).toEqual(['gold']);
    expect(found.check('gold')).toMatchObject({
      state: 'critical',
      runbook: { id: 'gold-incomplete', input: { batchId } },
    });
  });

  it('finds gold less complete than silver', async () => {
    const found = await lookAfter((path) =>
      editManifest(path(inBatch('gold', 'manifest.json')), ({ tables }) => {
        for (const table of tables) table.rows -= 5;
      }),
    );
    expect(found.check('gold')).toMatchObject({
      state: 'critical',
      runbook: { id: 'gold-incomplete', input: { batchId } },
    });
  });

  it('finds a damaged manifest', async () => {
    const found = await lookAfter((path) => truncate(path(inBatch('bronze', 'manifest.json')), 40));
    expect(found.check('manifests')).toMatchObject({
      state: 'critical',
      runbook: { id: 'corrupt-batch', input: { batchId } },
    });
  });

  it('finds a Parquet file missing', async () => {
    const found = await lookAfter((path) => rm(path(inBatch('gold', 'fact_reviews.parquet'))));
    expect(found.check('manifests')).toMatchObject({
      state: 'critical',
      runbook: { id: 'parquet-not-found', input: { batchId } },
    });
  });

  it('finds a file that is no Parquet any more, of the same size', async () => {
    const found = await lookAfter(async (path) => {
      const file = path(inBatch('gold', 'fact_reviews.parquet'));
      const { length } = await readFile(file);
      await writeFile(file, Buffer.alloc(length, 'x'));
    });
    expect(states(found)).toEqual(['parquet-schema']);
    expect(found.check('parquet-schema')).toMatchObject({
      state: 'critical',
      runbook: { id: 'corrupt-batch', input: { batchId } },
    });
  });

  it('finds a column missing that the model needs', async () => {
    const found = await lookAfter((path) =>
      editManifest(path(inBatch('silver', 'manifest.json')), ({ tables }) => {
        for (const table of tables) {
          table.columns = table.columns.filter(({ name }) => name !== 'rating');
        }
      }),
    );
    expect(found.check('parquet-schema')).toMatchObject({
      state: 'critical',
      summary: expect.stringContaining('silver.review.rating'),
      runbook: { id: 'model-crash', input: { batchId } },
    });
  });

  it('has nothing to say of a lake without batches', async () => {
    const found = await lookAfter((path) => rm(dirname(path('x')), { recursive: true }));
    expect(states(found)).toEqual([]);
    expect(found.check('gold').state).toBe('skipped');
  });

  it('leaves a batch that is being worked on alone', async () => {
    const running = '20991231_235959';
    const found = await lookAfter(async (path) => {
      await publishBatch(openLocalLake(dirname(path('x'))), running, join(root, 'made'), {
        layers: ['bronze'],
      });
      await writeLease(path(`leases/batch=${running}.json`), `batch=${running}`, thisProcess());
    });
    expect(states(found)).toEqual([]);
  });
});

async function writeLease(path: string, name: string, owner: object): Promise<void> {
  const time = new Date().toISOString();
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, JSON.stringify({ name, owner, acquiredAt: time, renewedAt: time }));
}

describe('leases', () => {
  it('finds one whose owner is gone', async () => {
    const owner = { ...thisProcess(), user: 'ada', pid: 2 ** 22 - 3 };
    const found = await lookAfter((path) =>
      writeLease(path(`leases/batch=${batchId}.json`), `batch=${batchId}`, owner),
    );
    expect(found.check('leases')).toMatchObject({
      state: 'warning',
      summary: expect.stringContaining(`ada@${hostname()}`),
      runbook: { input: { batchId } },
    });
  });

  it('finds one that cannot be read', async () => {
    const found = await lookAfter(async (path) => {
      await mkdir(path('leases'), { recursive: true });
      await writeFile(path('leases/damaged.json'), '{"name":');
    });
    expect(found.check('leases')).toMatchObject({ state: 'warning', value: 1 });
  });
});

describe('the store', () => {
  it('is not reachable', async () => {
    const found = await lookAfter(async (path) => {
      await rm(dirname(path('x')), { recursive: true });
      await writeFile(join(root, 'data'), 'a file where the lake should be');
    });
    expect(found.check('lake')).toMatchObject({ state: 'critical', runbook: { id: 's3-errors' } });
    expect(found.check('gold').state).toBe('unknown');
  });

  it('cannot be written', async () => {
    const found = await lookAfter(async (path) => {
      await rm(path('gold/batch='), { recursive: true, force: true });
      await writeFile(path('gold/health-probe'), 'in the way');
    });
    expect(found.check('lake').state).toBe('ok');
    expect(found.check('lake-writable')).toMatchObject({
      state: 'critical',
      runbook: { id: 's3-errors' },
    });
  });

  it('loses the probes of checks that were killed', async () => {
    await lookAfter(async (path) => {
      const probe = path('silver/health-probe/abandoned');
      await mkdir(dirname(probe), { recursive: true });
      await writeFile(probe, '');
      await utimes(probe, 1, 1);
    });
    await expect(readFile(join(root, 'data/silver/health-probe/abandoned'))).rejects.toThrow(
      /ENOENT/,
    );
  });

  it.each([
    [0.79, 'ok'],
    [0.81, 'warning'],
    [0.86, 'critical'],
  ])('is full to %f of its budget: %s', async (share, state) => {
    const size = 10_000_000;
    const found = await lookAfter(
      async (path) => {
        let bytes = 0;
        for await (const object of openLocalLake(dirname(path('x'))).list(''))
          bytes += object.bytes;
        await mkdir(path('raw'), { recursive: true });
        await writeFile(path('raw/filler'), Buffer.alloc(Math.round(size * share) - bytes));
      },
      { settings: { lake: { budget: '10MB' } } },
    );
    expect(found.check('lake-space').state).toBe(state);
    if (state !== 'ok') expect(found.check('lake-space').runbook?.id).toBe('purge-batches');
  });

  it('lies on a disk that is nearly full', async () => {
    const found = await lookAfter(async () => undefined, {
      settings: { health: { diskPercent: { warning: 0, critical: 100 } } },
    });
    expect(found.check('disk')).toMatchObject({
      state: 'warning',
      runbook: { id: 'purge-batches' },
    });
  });
});

describe('logs', () => {
  const line = (time: string, level = 'error') =>
    `${JSON.stringify({ level, time, batchId, code: 'FILE_CORRUPT', message: 'broken' })}\n`;

  it.each([
    [10, 'ok'],
    [11, 'warning'],
  ])('hold %i ERROR lines of the last day: %s', async (count, state) => {
    const now = new Date().toISOString();
    const found = await lookAfter(async (path) => {
      await mkdir(path('logs'), { recursive: true });
      const lines = [
        line(now, 'info'),
        line('2020-01-01T00:00:00Z'),
        ...Array(count - 1).fill(line(now)),
      ];
      await writeFile(path('logs/one.jsonl'), `${lines.join('')}{"level":"error","time":"20`);
      // A run that was killed has not delivered its log.
      await mkdir(join(root, 'logs'));
      await writeFile(join(root, 'logs', 'two.jsonl'), line(now));
    });
    expect(found.check('error-lines')).toMatchObject({ state, value: count });
    if (state !== 'ok') {
      expect(found.check('error-lines').runbook).toMatchObject({
        id: 'corrupt-batch',
        input: { batchId },
      });
    }
  });
});

describe('what is too large to be read at each look', () => {
  it('is not called whole: an error may stand where nobody has read', async () => {
    const line = (level: string) =>
      `${JSON.stringify({ time: new Date().toISOString(), level, message: 'x'.repeat(1000) })}\n`;
    const found = await lookAfter(async (path) => {
      await mkdir(path('logs'), { recursive: true });
      await writeFile(path('logs/wild.jsonl'), line('info').repeat(16_000) + line('error'));
    });
    expect(found.check('error-lines')).toMatchObject({ state: 'unknown' });
  });

  it('is not called hashed, nor its footers read', async () => {
    const found = await surveyLake(openLocalLake(join(world.root, 'data')), {
      now: () => new Date(),
      recentBatches: 1,
      directories: [],
      signal: new AbortController().signal,
    });
    const enlarged = structuredClone(await found.recent());
    for (const { manifests } of enlarged) {
      for (const { tables } of manifests) {
        for (const { files } of tables) for (const file of files) file.bytes = 40e6;
      }
    }
    const context = {
      lake: async () => ({ ...found, recent: async () => enlarged }),
      signal: new AbortController().signal,
    } as unknown as HealthContext;
    expect(await checksums.run(context)).toMatchObject({ state: 'skipped' });
    expect(await parquet.run(context)).toMatchObject({ state: 'skipped' });
  });
});

describe('the key of the pseudonyms', () => {
  it('is another one than the lake was made with', async () => {
    const found = await lookAfter(async () => undefined, {
      pseudonymKey: async () => Buffer.from('another key, just as long as it'),
    });
    expect(found.check('pseudonym-key').state).toBe('critical');
  });

  it('is not there', async () => {
    const found = await lookAfter(async () => undefined, { pseudonymKey: async () => undefined });
    expect(found.check('pseudonym-key').state).toBe('critical');
  });
});

describe('journals', () => {
  const write = async (home: string, runId: string) => {
    const journal = await Journal.create(home, runId, () => new Date());
    await journal.append({ type: 'output', step: 'a', text: 'one' } as never);
    await journal.append({ type: 'output', step: 'a', text: 'two' } as never);
    await journal.close();
    return journalPath(home, runId);
  };

  it('are whole, or were changed', async () => {
    await lookAfter(async () => undefined);
    expect(await checkJournals(root)).toEqual({ checked: 0, broken: [] });
    await write(root, 'run_20260101_000000_00000a');
    const path = await write(root, 'run_20260101_000000_00000b');
    const whole = await look(['journals'], { root, journals: () => checkJournals(root) });
    expect(whole.check('journals')).toMatchObject({ state: 'ok', evidence: { checked: 2 } });
    await writeFile(path, (await readFile(path, 'utf8')).replace('one', 'eno'));
    const changed = await look(['journals'], { root, journals: () => checkJournals(root) });
    expect(changed.check('journals')).toMatchObject({
      state: 'critical',
      summary: expect.stringContaining('run_20260101_000000_00000b'),
    });
  });

  it('do not count a line that was cut short by a crash', async () => {
    await lookAfter(async () => undefined);
    const path = await write(root, 'run_20260101_000000_00000a');
    await appendFile(path, '{"seq":2,');
    expect(await checkJournals(root)).toEqual({ checked: 1, broken: [] });
  });
});
