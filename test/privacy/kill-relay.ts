import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunReport } from '../../src/runbooks/engine/runner.js';
import type { EraseOrder, KillPoint } from '../support/erase-process.js';
import type { S3Address } from '../support/s3-lake.js';
import { ended } from '../support/tasks.js';
import type { PrivacyWorld } from './support.js';

const script = fileURLToPath(new URL('../support/erase-process.ts', import.meta.url));

async function inProcess(order: EraseOrder): Promise<RunReport | 'killed'> {
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { status, signal, stdout, stderr } = await ended(child);
  if (signal === 'SIGKILL' && stdout === 'died\n') return 'killed';
  if (status !== 0) throw new Error(`${status ?? signal}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as RunReport;
}

/** Where the process of an erasure works; undefined for the local lake. */
const orderOf = (world: PrivacyWorld, s3: S3Address | undefined): EraseOrder => ({
  root: world.root,
  databaseUrl: world.database.target.url,
  requestIds: ['DSR-1'],
  ...(s3 === undefined ? {} : { s3 }),
});

/** Begins to erase DSR-1, or goes on with that, in a process that dies at this point. */
export async function dieAt(world: PrivacyWorld, point: KillPoint, s3?: S3Address): Promise<void> {
  const resume = await onlyRun(world);
  const order = { ...orderOf(world, s3), dieAt: point, ...(resume && { resume }) };
  const outcome = await inProcess(order);
  if (outcome === 'killed') return;
  throw new Error(`It ended ${outcome.state} before ${JSON.stringify(point)}: ${outcome.reason}`);
}

/**
 * One erasure, killed by SIGKILL at each of these points in turn: each process goes on where the one
 * before it died, and dies at the next; the last is left alone. Gives its report.
 */
export async function killRelay(
  world: PrivacyWorld,
  points: readonly KillPoint[],
  s3?: S3Address,
): Promise<RunReport> {
  for (const point of points) await dieAt(world, point, s3);
  const resume = await onlyRun(world);
  const report = await inProcess({ ...orderOf(world, s3), ...(resume && { resume }) });
  if (report === 'killed') throw new Error('It was told not to die.');
  return report;
}

async function onlyRun(world: PrivacyWorld): Promise<string | undefined> {
  const names = await readdir(join(world.services.home, 'runs')).catch(() => []);
  return names.find((name) => name.endsWith('.jsonl'))?.slice(0, -'.jsonl'.length);
}

export const bothSides = (journal: KillPoint['journal'], types: readonly string[]): KillPoint[] =>
  types.flatMap((type) => [
    { journal, type, when: 'before' as const },
    { journal, type, when: 'after' as const },
  ]);

/** What is left of everybody: rows by table, and every file of a layer by its bytes. */
export async function pictureOf(world: PrivacyWorld): Promise<unknown> {
  const tables: unknown[] = [];
  for (const table of ['customer', 'buyer', 'review', 'orders', 'review_images', 'fact_reviews']) {
    tables.push(
      await world.client.query(`SELECT count(*)::int AS "${table}" FROM amazon.${table}`),
    );
  }
  const objects: string[] = [];
  for await (const { key } of world.lake.list('')) {
    if (!/^(raw|bronze|silver|gold)\/.*parquet$/.test(key)) continue;
    const bytes = await world.lake.read(key);
    objects.push(`${key} ${createHash('sha256').update(bytes).digest('hex')}`);
  }
  const tombstones = await world.client.query(
    'SELECT kind, digest FROM maintenance.gdpr_tombstones ORDER BY 1, 2',
  );
  return { tables, objects, tombstones };
}
