import { describe, expect, it } from 'vitest';
import { startCli } from '../support/cli.js';
import { batchId, PipelineCommand } from '../support/pipeline-command.js';
import { sandbox } from '../support/sandbox.js';

describe('the pipeline as a command that is killed', () => {
  const command = new PipelineCommand();

  it.each(['extract', 'transform', 'model', 'load'] as const)(
    'killed in %s, shows no partial batch, and running it again completes it',
    async (stage) => {
      const killed = startCli(['pipeline', 'run', '--batch-id', batchId], command.options());
      await command.begun(stage);
      killed.child.kill('SIGKILL');
      expect((await killed.result).signal).toBe('SIGKILL');
      expect(await command.facts()).toBe(0);
      const listed = await command.run('batch', 'list');
      for (const batch of listed.json<{ batches: { state: string }[] }>().result.batches) {
        expect(batch.state).toBe(stage === 'load' ? 'complete' : 'partial');
      }
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
        const stopped = startCli(['pipeline', 'run', '--batch-id', batchId], command.options());
        await command.begun(stage);
        const asked = performance.now();
        stopped.child.kill(signal);
        const { code, stderr } = await stopped.result;
        expect(performance.now() - asked).toBeLessThan(2_000);
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
