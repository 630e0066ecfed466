import { describe, expect, it } from 'vitest';
import { startCli } from '../support/cli.js';
import { batchId, PipelineCommand } from '../support/pipeline-command.js';
import { sandbox } from '../support/sandbox.js';

describe('the pipeline as a command that is killed', () => {
  const command = new PipelineCommand();

  it.each(['extract', 'transform', 'model', 'load'] as const)(
    'killed in %s, shows no partial batch, and running it again completes it',
    async (stage) => {
      // The run cannot end before the kill arrives, however late that is.
      const hold = await command.holdFacts();
      const killed = startCli(['pipeline', 'run', '--batch-id', batchId], command.options());
      await command.begun(stage);
      killed.child.kill('SIGKILL');
      expect((await killed.result).signal).toBe('SIGKILL');
      await hold.release();
      expect(await command.facts()).toBe(0);
      const listed = await command.run('batch', 'list');
      const { batches } = listed.json<{ batches: { state: string; layers: string[] }[] }>().result;
      for (const { state, layers } of batches) {
        // A busy machine may be at the next stage by the time of the kill.
        expect(state).toBe(layers.includes('gold') ? 'complete' : 'partial');
      }
      if (stage === 'load') expect(batches).toMatchObject([{ state: 'complete' }]);
      await command.complete();
      const status = await command.run('pipeline', 'status');
      expect(
        status.json<{ runs: { status: string }[] }>().result.runs.map((r) => r.status),
      ).toContain('interrupted');
    },
  );

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends within two seconds of %s, with exit 130, and its hint completes the batch',
    async (signal) => {
      for (const stage of ['extract', 'transform', 'load'] as const) {
        command.directory = await sandbox();
        const hold = await command.holdFacts();
        const stopped = startCli(['pipeline', 'run', '--batch-id', batchId], command.options());
        await command.begun(stage);
        const asked = performance.now();
        stopped.child.kill(signal);
        const { code, stderr } = await stopped.result;
        // It gives itself two seconds; the rest is for a machine that is busy with more.
        expect(performance.now() - asked).toBeLessThan(4_000);
        await hold.release();
        expect([code, stderr]).toEqual([130, expect.stringContaining('INTERRUPTED')]);
        expect(await command.facts()).toBe(0);
        const active = await command.client.query(
          "SELECT query FROM pg_stat_activity WHERE application_name LIKE 'reviewops %' AND datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'",
        );
        expect(active).toEqual([]);
      }
      await command.complete();
    },
  );
});
