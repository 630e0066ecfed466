import { createHash } from 'node:crypto';
import type { RunReport } from '../../src/runbooks/engine/runner.js';
import { runInProcess, runsIn } from '../support/killed-runs.js';
import type { KillPoint, RunOrder } from '../support/run-process.js';
import type { S3Address } from '../support/s3-lake.js';
import type { PrivacyWorld } from './support.js';

/** Where the process of an erasure works, and which run it goes on with if there is one. */
const orderOf = async (world: PrivacyWorld, s3: S3Address | undefined): Promise<RunOrder> => ({
  runbook: 'erase-person',
  input: { requestIds: ['DSR-1'] },
  root: world.root,
  home: world.services.home,
  database: world.database.target,
  answer: 'yes',
  s3,
  resume: (await runsIn(world.services.home))[0],
});

/** Begins to erase DSR-1, or goes on with that, in a process that dies at this point. */
export async function dieAt(world: PrivacyWorld, point: KillPoint, s3?: S3Address): Promise<void> {
  const outcome = await runInProcess({ ...(await orderOf(world, s3)), dieAt: point });
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
  const report = await runInProcess(await orderOf(world, s3));
  if (report === 'killed') throw new Error('It was told not to die.');
  return report;
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
