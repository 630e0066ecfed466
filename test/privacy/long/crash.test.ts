import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { resumeRun, startRun } from '../../../src/runbooks/engine/runner.js';
import erasePerson from '../../../src/runbooks/erase-person.js';
import { crashMatrix } from '../../support/crash-matrix.js';
import { collect, type RunbookWorld, yes } from '../../support/runbooks.js';
import { makePrivacyWorld } from '../support.js';

/** A world with one batch and one request, in the form that the matrix takes. */
async function crashWorld(): Promise<RunbookWorld> {
  const world = await makePrivacyWorld({ reviews: 20 });
  await world.batch();
  await world.request('DSR-1', { customer: ['C7'] });
  const { services } = world;
  const options = { services, ask: yes('ada'), signal: new AbortController().signal };
  const { readJournal } = await import('../../../src/runbooks/engine/journal.js');
  return {
    root: world.root,
    home: services.home,
    lake: world.lake,
    clock: world.clock,
    services,
    database: world.database,
    client: () => world.database.client(),
    run: (runbook, input = {}, choices = {}) => collect(startRun(runbook, input, options), choices),
    resume: (runbook, runId, choices = {}) => collect(resumeRun(runbook, runId, options), choices),
    journal: async (runId) => (await readJournal(services.home, runId)).entries,
    dispose: () => world.dispose(),
  };
}

/** What is left of everybody: rows, and rows of files by table. */
async function picture(world: RunbookWorld): Promise<unknown> {
  const client = await world.database.client();
  const tables = await client.query(
    `SELECT 'customer' AS name, count(*) FROM amazon.customer UNION ALL SELECT 'review', count(*) FROM amazon.review
     UNION ALL SELECT 'orders', count(*) FROM amazon.orders UNION ALL SELECT 'fact', count(*) FROM amazon.fact_reviews`,
  );
  const rows: unknown[] = [];
  for await (const { key } of world.lake.list('')) {
    if (!key.endsWith('manifest.json')) continue;
    const manifest = JSON.parse((await world.lake.read(key)).toString('utf8'));
    for (const { name, rows: count, files } of manifest.tables) {
      const whole = [];
      for (const file of files) {
        const bytes = await world.lake.read(file.key);
        whole.push(createHash('sha256').update(bytes).digest('hex') === file.sha256);
      }
      rows.push([manifest.layer, name, count, whole]);
    }
  }
  const { tombstones } = JSON.parse(
    (await world.lake.read('privacy/suppression.json')).toString('utf8'),
  );
  return { tables, rows, tombstones: tombstones.length };
}

describe('must hold: killed at any transition of its journal, a resume converges', () => {
  it('erase-person', { timeout: 1_200_000 }, async () => {
    const points = await crashMatrix(erasePerson, {
      makeWorld: crashWorld,
      input: () => ({ requestIds: ['DSR-1'] }),
      picture,
    });
    expect(points).toBeGreaterThan(40);
  });
});
