import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { DatabaseClient } from '../../../src/database/client.js';
import type { JournalEntry } from '../../../src/runbooks/engine/events.js';
import { firstBroken } from '../../../src/runbooks/engine/journal.js';
import { synchronise } from '../../../src/runbooks/engine/synchronise.js';
import { unsynchronisedRuns } from '../../../src/runbooks/engine/unsynchronised.js';
import { nobody, type RunbookWorld, runbookWorld } from '../../support/runbooks.js';
import { makeFiles, sample } from './sample.js';

let world: RunbookWorld;
let client: DatabaseClient;
let directory: string;

beforeAll(async () => {
  world = await runbookWorld();
  client = await world.client();
  directory = join(world.root, 'files');
});
beforeEach(() => makeFiles(directory, ['a.old', 'b.old']));
afterAll(() => world.dispose());

const copy = () =>
  synchronise(world.home, {
    target: world.database.target,
    settings: world.services.config.database,
    now: new Date(),
    signal: new AbortController().signal,
  });

const marked = async () => [...(await unsynchronisedRuns(world.home)).keys()];

const runsThere = () =>
  client.query<{ run_id: string; state: string; entries: number }>(
    'SELECT run_id, state, entries FROM maintenance.runbook_runs ORDER BY started_at',
  );

const entriesThere = (runId: string) =>
  client.query<JournalEntry & { at: Date }>(
    'SELECT seq, at, event, prev, hash FROM maintenance.runbook_events WHERE run_id = $1 ORDER BY seq',
    [runId],
  );

it('copies what is missing, as often as it is asked, and the chain holds in the database', async () => {
  const { report } = await world.run(sample, { directory }, { ask: nobody });
  const { runId } = report;
  expect(await marked()).toEqual([runId]);
  expect(await copy()).toEqual([]);
  expect(await marked()).toEqual([]);
  expect(await runsThere()).toMatchObject([{ run_id: runId, state: 'waiting' }]);

  await world.resume(sample, runId);
  await copy();
  await copy();
  const journal = await world.journal(runId);
  expect(await runsThere()).toEqual([
    { run_id: runId, state: 'succeeded', entries: journal.length },
  ]);
  const stored = (await entriesThere(runId)).map((entry) => ({
    ...entry,
    at: entry.at.toISOString(),
  }));
  expect(stored).toEqual(journal);
  expect(firstBroken(stored)).toBeUndefined();
});

it('texts that jsonb cannot hold do not keep a run out', async () => {
  const { report } = await world.run(
    {
      ...sample,
      id: 'odd-text',
      steps: sample.steps.map((step) => ({ ...step, ...odd[step.id] })) as typeof sample.steps,
    },
    { directory },
  );
  expect(report.state).toBe('succeeded');
  await copy();
  expect(await marked()).toEqual([]);
});

const odd: Record<string, object> = {
  count: { run: async () => ({ state: 'ok', summary: 'NUL \u0000 and half \ud800 a pair' }) },
};

it('a run that goes on while its copy is made is copied again', async () => {
  const { report } = await world.run(sample, { directory }, { ask: nobody });
  const { runId } = report;
  const other = await world.client();
  let copying: Promise<string[]> | undefined;
  await other.transaction(async () => {
    await other.execute('LOCK TABLE maintenance.runbook_runs IN ACCESS EXCLUSIVE MODE');
    copying = copy();
    await expect
      .poll(() =>
        client.query(
          "SELECT FROM pg_locks WHERE NOT granted AND relation = 'maintenance.runbook_runs'::regclass",
        ),
      )
      .toHaveLength(1);
    await world.resume(sample, runId);
  });
  expect(await copying).toEqual([]);
  expect(await marked()).toEqual([runId]);
  await copy();
  expect((await runsThere()).find((run) => run.run_id === runId)?.state).toBe('succeeded');
  expect(await marked()).toEqual([]);
});

it('a copy that differs is reported and left alone', async () => {
  const { report } = await world.run(sample, { directory }, { ask: nobody });
  await copy();
  await client.execute('UPDATE maintenance.runbook_runs SET head = $2 WHERE run_id = $1', [
    report.runId,
    'f'.repeat(64),
  ]);
  await world.resume(sample, report.runId);
  expect(await copy()).toEqual([report.runId]);
  expect((await runsThere()).at(-1)?.state).toBe('waiting');
});

it('a journal whose end was cut off is reported by the next run, though its chain holds', async () => {
  const { report } = await world.run(sample, { directory });
  await copy();
  const path = join(world.home, 'runs', `${report.runId}.jsonl`);
  const whole = await readFile(path, 'utf8');
  await writeFile(path, `${whole.trimEnd().split('\n').slice(0, -3).join('\n')}\n`);
  await makeFiles(directory, ['a.old']);
  await world.run(sample, { directory }, { ask: nobody });
  expect(await copy()).toContain(report.runId);
  await writeFile(path, whole);
  await world.run(sample, { directory }, { ask: nobody });
  expect(await copy()).not.toContain(report.runId);
});

it('a damaged journal does not overwrite its copy', async () => {
  const { report } = await world.run(sample, { directory }, { ask: nobody });
  const path = join(world.home, 'runs', `${report.runId}.jsonl`);
  await writeFile(path, (await readFile(path, 'utf8')).replace('warning', 'ok'));
  await copy();
  expect((await runsThere()).map(({ run_id }) => run_id)).not.toContain(report.runId);
});

it('checks read in sessions that refuse writes; acts write', async () => {
  const { withClient } = await import('../../../src/database/client.js');
  const tryWrite = async (context: { services: typeof world.services; signal: AbortSignal }) => {
    const target = await context.services.database();
    const options = {
      purpose: 'test',
      settings: context.services.config.database,
      signal: context.signal,
    };
    return withClient(target, options, (session) =>
      session.execute('CREATE TABLE IF NOT EXISTS maintenance.written (i integer)').then(
        () => 'written',
        (error: Error) => error.message,
      ),
    );
  };
  const seen: Record<string, string> = {};
  const probing = {
    ...sample,
    id: 'probing',
    steps: sample.steps.map((step) =>
      'run' in step
        ? {
            ...step,
            run: async (context: never) => {
              seen[step.id] = await tryWrite(context);
              return (step.run as (given: never) => Promise<unknown>)(context);
            },
          }
        : step,
    ) as typeof sample.steps,
  };
  const { report } = await world.run(probing, { directory });
  expect(report.state).toBe('succeeded');
  expect(seen).toMatchObject({
    count: expect.stringContaining('read-only'),
    plan: expect.stringContaining('read-only'),
    remove: 'written',
  });
});
