import { Flags } from '@oclif/core';
import type { RunReport } from '../runbooks/engine/runner.js';
import type { ExitCode, OperatorError } from '../system/errors.js';
import { ReviewopsCommand } from './command.js';
import type { CommandContext } from './context.js';
import { changeFlags, destroyFlags } from './flags.js';
import type { RunbookFlags } from './runbook-answers.js';
import { type RunResult, renderRun } from './runbook-text.js';
import type { Terminal } from './terminal.js';

const { 'dry-run': dryRun, ...answerFlags } = destroyFlags;

/** How a run is answered and shown. */
export const runbookFlags = {
  ...answerFlags,
  ...changeFlags,
  done: Flags.string({
    helpValue: 'TEXT',
    description: 'Says what was done for the manual step at which the run would wait.',
  }),
  format: Flags.option({
    options: ['text', 'jsonl'] as const,
    description: 'jsonl: every event as a line of JSON on stdout.',
  })({ default: 'text' }),
  'read-only': Flags.boolean({
    description: 'Refuse whatever changes something.',
  }),
};

/** For what starts a run. */
export const newRunFlags = {
  'dry-run': dryRun,
  incident: Flags.string({
    helpValue: 'ID',
    description: 'The incident that the run belongs to.',
  }),
};

export interface ParsedRunbookFlags {
  yes: boolean;
  confirm?: string | undefined;
  plan?: string | undefined;
  done?: string | undefined;
  format: 'text' | 'jsonl';
  'read-only': boolean;
}

export const toRunbookFlags = (flags: ParsedRunbookFlags): RunbookFlags => ({
  yes: flags.yes,
  confirm: flags.confirm,
  plan: flags.plan,
  done: flags.done,
  format: flags.format,
  readOnly: flags['read-only'],
});

/** What `runbook run` and `runbook resume` have in common. */
export abstract class RunbookRunCommand extends ReviewopsCommand<RunResult> {
  #streamed = false;

  /** Runs it; `dryRun` only changes how the result reads. */
  abstract perform(context: CommandContext): Promise<{
    report: RunReport;
    flags: RunbookFlags;
  }>;

  override async execute(context: CommandContext): Promise<RunResult> {
    const { report, flags } = await this.perform(context);
    this.#streamed = flags.format === 'jsonl';
    return { ...report, dryRun: flags.dryRun === true, error: plainError(report.error) };
  }

  override render(result: RunResult, terminal: Terminal): string {
    // The events were the result.
    return this.#streamed ? '' : renderRun(result, terminal);
  }

  protected override exitCode({ exitCode }: RunResult): ExitCode {
    return exitCode;
  }
}

const plainError = (error: OperatorError | null): RunResult['error'] =>
  error === null ? null : { code: error.code, message: error.message, hint: error.hint ?? null };
