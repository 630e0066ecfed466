import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listRuns } from '../../../src/runbooks/engine/history.js';
import { Journal } from '../../../src/runbooks/engine/journal.js';
import { thisProcess } from '../../../src/system/owner.js';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'reviewops-history-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** A run that began at this millisecond of one second, and that nobody has ended. */
async function began(runId: string, millisecond: number): Promise<void> {
  const at = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, millisecond));
  const journal = await Journal.create(home, runId, () => at);
  await journal.append({
    type: 'run.started',
    runId,
    runbook: 'sample',
    title: 'Sample',
    definition: 'none',
    input: {},
    by: thisProcess(),
    dryRun: false,
    incident: null,
    tool: 'test',
  });
  await journal.close();
}

it('lists runs of the same second in the order they began, however their ids sort', async () => {
  await began('run_20260102_030405_ffffff', 100);
  await began('run_20260102_030405_000000', 900);
  await began('run_20260102_030405_777777', 500);
  await began('run_20260102_030404_ffffff', 0);
  const listed = async (limit: number) => {
    const { runs } = await listRuns(home, { now: new Date(), limit });
    return runs.map(({ runId }) => runId.slice(-6));
  };
  expect(await listed(1)).toEqual(['000000']);
  expect(await listed(2)).toEqual(['000000', '777777']);
  expect(await listed(100)).toEqual(['000000', '777777', 'ffffff', 'ffffff']);
});
