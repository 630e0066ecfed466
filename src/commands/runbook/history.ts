import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { journalText, runsText } from '../../cli/runbook-history-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { JournalEntry } from '../../runbooks/engine/events.js';
import type { RunSummary } from '../../runbooks/engine/history.js';

interface HistoryResult {
  runs: RunSummary[];
  /** Ids of runs whose journal was changed. */
  broken: string[];
  /** All entries of the run that was asked for; its chain has been verified. */
  entries?: JournalEntry[];
}

export default class RunbookHistory extends ReviewopsCommand<HistoryResult> {
  static override summary = 'List the runs, or show all events of one.';
  static override description =
    'The entries of a journal are chained by their hashes: one that was edited, removed or moved is found and named (exit 1).';
  static override examples = [
    '<%= config.bin %> runbook history --limit 5',
    '<%= config.bin %> runbook history run_20260131_235959_1a2b3c',
  ];
  static override args = {
    run: Args.string({ description: 'Id of a run, for all of its events.' }),
  };
  static override flags = {
    limit: Flags.integer({ min: 1, default: 20, description: 'At most this many runs.' }),
    incident: Flags.string({ helpValue: 'ID', description: 'Only runs of this incident.' }),
  };

  override async execute(context: CommandContext): Promise<HistoryResult> {
    const { args, flags } = this.input(RunbookHistory);
    const { home, now, signal } = context;
    const [{ listRuns, readRun }, { endInterrupted }] = await Promise.all([
      import('../../runbooks/engine/history.js'),
      import('../../runbooks/engine/run-lock.js'),
    ]);
    await endInterrupted(home, { now, signal });
    if (args.run === undefined) {
      const { limit, incident } = flags;
      const found = await listRuns(home, { now: now(), limit, incident });
      for (const runId of found.broken) {
        context.warn(
          `The journal of run ${runId} was changed: \`runbook history ${runId}\` says where.`,
        );
      }
      return found;
    }
    const { run, entries } = await readRun(home, args.run, now());
    return { runs: run === undefined ? [] : [run], broken: [], entries };
  }

  override render({ runs, entries }: HistoryResult, terminal: Terminal): string {
    if (entries !== undefined) return journalText(entries, terminal);
    if (runs.length > 0) return runsText(runs, terminal);
    const { incident } = this.input(RunbookHistory).flags;
    return incident === undefined
      ? 'No run yet. `reviewops runbook list` shows what can be run.'
      : `No run belongs to incident ${incident}. \`reviewops runbook history\` lists all runs.`;
  }
}
