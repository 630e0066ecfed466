import { Args, Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import { RunbookRunCommand, runbookFlags, toRunbookFlags } from '../../cli/runbook-run-command.js';

export default class RunbookResume extends RunbookRunCommand {
  static override summary = 'Go on with a run that was interrupted, failed, or waits.';
  static override description =
    `Goes to the first step that is not proven done. A step that was changing something when the run
stopped is probed: what is there already is not done again. A run does not resume into a runbook
that has been edited since, nor while another process works on it.

With approvals.secondPerson, a second person approves a destructive plan this way.`;
  static override examples = [
    '<%= config.bin %> runbook resume run_20260131_235959_1a2b3c',
    '<%= config.bin %> runbook resume run_20260131_235959_1a2b3c --confirm NAME',
  ];
  static override args = {
    run: Args.string({
      required: true,
      description: 'Id of the run, as `runbook history` prints it.',
    }),
  };
  static override flags = {
    ...runbookFlags,
    undo: Flags.boolean({
      description: 'Take back what was done instead, where every step of it can be; needs a yes.',
    }),
  };

  override async perform(context: CommandContext) {
    const { args, flags: parsed } = this.input(RunbookResume);
    const { resumeRunbookCommand } = await import('../../cli/runbook-command.js');
    const flags = { ...toRunbookFlags(parsed), undo: parsed.undo };
    return { report: await resumeRunbookCommand(context, args.run, flags), flags };
  }
}
