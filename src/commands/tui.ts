import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../cli/command.js';
import type { CommandContext } from '../cli/context.js';
import { canAsk } from '../cli/terminal.js';
import { ExitCode, invalid } from '../system/errors.js';
import type { TuiResult } from '../tui/open.js';

export default class Tui extends ReviewopsCommand<TuiResult> {
  static override summary = 'Open the full-screen walk through the runbooks.';
  static override description =
    'The same as `reviewops` without arguments on a terminal. Find a runbook by what you see, look, approve the plan, watch, and see the proof.';
  static override examples = ['<%= config.bin %>', '<%= config.bin %> tui silver-missing'];
  static override args = {
    runbook: Args.string({ description: 'Id of the runbook to begin with.' }),
  };
  static override flags = {
    'read-only': Flags.boolean({
      description: 'Refuse whatever changes something, until somebody types otherwise.',
    }),
    'screen-reader': Flags.boolean({
      description: 'Plain lines in order instead of a drawn screen; so too with TERM=dumb.',
    }),
  };

  override async execute(context: CommandContext): Promise<TuiResult> {
    const { args, flags } = this.input(Tui);
    const person = canAsk({ noInput: flags['no-input'], environment: process.env });
    if (!person || process.stdout.isTTY !== true || context.json) {
      throw invalid('NO_TERMINAL', 'The screen needs a terminal for input and output.', {
        hint: 'Run `reviewops runbook run ID` for the same without one; `reviewops runbook list` finds the id.',
      });
    }
    const { openTui } = await import('../tui/open.js');
    return openTui(context, {
      flags,
      readOnly: flags['read-only'],
      plain: flags['screen-reader'] || process.env.TERM === 'dumb',
      runbook: args.runbook,
    });
  }

  override render({ runs }: TuiResult): string {
    return runs
      .map(({ runId, runbook, state, resume }) =>
        [`${runbook} ${state} (${runId})`, ...(resume === null ? [] : [`next: ${resume}`])].join(
          '\n',
        ),
      )
      .join('\n');
  }

  protected override exitCode(): ExitCode {
    return ExitCode.done;
  }
}
