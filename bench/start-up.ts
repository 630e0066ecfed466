import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchSummary } from '../src/lake/batch-state.js';
import { layers } from '../src/lake/lake.js';
import { batchPrefix, formatBatchId, manifestKey } from '../src/lake/layout.js';
import { type Home, importSample, root, withHome } from './home.js';
import { cleanEnvironment, measure } from './process.js';
import { count, type Row, ratioRow, seconds } from './report.js';
import { median } from './statistics.js';

const repetitions = 15;
const batches = 500;
/** So small a batch that its size does not matter, with the files of a real one. */
const batchReviews = 20;

/** How long the commands take that do no work, beside a Node that does nothing. */
export async function startUpRows(parent: string | undefined): Promise<Row[]> {
  return withHome(parent, 'start-up', async (home) => {
    const env = cleanEnvironment(home.directory);
    const timed = async (...args: string[]) =>
      (await measure(process.execPath, args, { cwd: home.directory, env })).seconds;
    const launcher = join(root, 'bin', 'run.js');
    const bare: number[] = [];
    const version: number[] = [];
    const help: number[] = [];
    for (let index = 0; index <= repetitions; index += 1) {
      const round = [
        await timed('-e', '0'),
        await timed(launcher, '--version'),
        await timed(launcher, '--help'),
      ] as const;
      if (index === 0) continue;
      bare.push(round[0]);
      version.push(round[1]);
      help.push(round[2]);
    }
    const node = { seconds: median(bare), what: 'node -e 0' };
    const helpSeconds = median(help);
    return [
      ratioRow('reviewops --version', median(version), node, 3),
      {
        name: 'reviewops --help',
        ours: seconds(helpSeconds),
        baseline: `${seconds(node.seconds)} (${node.what})`,
        ratio: helpSeconds / node.seconds,
      },
    ];
  });
}

/** `batch list` over many batches, each with the tables and files of a real one. */
export async function batchListRows(parent: string | undefined): Promise<Row[]> {
  return withHome(parent, 'batches', async (home) => {
    await home.emptyLake();
    await importSample(home, batchReviews);
    const { result } = await home.cli<{ batchId: string }>('pipeline', 'run');
    const copies = multiplyBatch(home, result.batchId);
    // Fails when anything about the copy is not as its manifest says.
    await home.cli('batch', 'verify', copies[0] ?? '');
    const took: number[] = [];
    for (let index = 0; index <= 5; index += 1) {
      const run = await home.cli<{ batches: BatchSummary[] }>('batch', 'list');
      const complete = run.result.batches.filter(({ state }) => state === 'complete').length;
      if (complete !== batches) throw new Error(`batch list shows ${complete} complete batches.`);
      if (index > 0) took.push(run.seconds);
    }
    const middle = median(took);
    return [
      {
        name: `batch list, ${count(batches)} batches`,
        ours: seconds(middle),
        baseline: '',
        target: '< 1 s',
        met: middle < 1,
      },
    ];
  });
}

/** Copies a batch under other ids, manifests and their hashes included; gives the new ids. */
function multiplyBatch(home: Home, batchId: string): string[] {
  const lake = join(home.directory, 'data');
  const ids = Array.from({ length: batches - 1 }, (_, index) =>
    formatBatchId(new Date(Date.UTC(2020, 0, 1) + index * 86_400_000)),
  );
  for (const id of ids) {
    let parent: { key: string; sha256: string } | undefined;
    for (const layer of layers.filter((name) => name !== 'raw')) {
      cpSync(join(lake, batchPrefix(layer, batchId)), join(lake, batchPrefix(layer, id)), {
        recursive: true,
      });
      const key = manifestKey(layer, id);
      const text = readFileSync(join(lake, key), 'utf8').replaceAll(batchId, id);
      const manifest = { ...JSON.parse(text), parents: parent === undefined ? [] : [parent] };
      const body = `${JSON.stringify(manifest, null, 2)}\n`;
      writeFileSync(join(lake, key), body);
      parent = { key, sha256: createHash('sha256').update(body).digest('hex') };
    }
  }
  return ids;
}
