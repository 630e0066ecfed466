import { Args, Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  newRunFlags,
  RunbookRunCommand,
  runbookFlags,
  toRunbookFlags,
} from '../../cli/runbook-run-command.js';

export default class RunbookRun extends RunbookRunCommand {
  static override summary = 'Run a runbook: look, plan, ask, act, prove.';
  static override description =
    `Nothing is changed before its plan was shown and approved: on a terminal by answering, elsewhere
by --yes (what can be changed back) or by --confirm NAME or --plan HASH (what destroys something).
The plan binds: when reality has changed since, the run is refused.

Every step is journaled before its effect. A run that was stopped, killed, or waits for a person is
continued by \`runbook resume\`.`;
  static override examples = [
    '<%= config.bin %> runbook run silver-missing --dry-run',
    '<%= config.bin %> runbook run silver-missing --input batchId=20260131_235959 --yes --json',
  ];
  static override args = {
    id: Args.string({
      required: true,
      description: 'Id of the runbook, as `runbook list` prints it.',
    }),
  };
  static override flags = {
    input: Flags.string({
      multiple: true,
      helpValue: 'NAME=VALUE',
      description: 'An input; `runbook show` lists them. May be given several times.',
    }),
    ...newRunFlags,
    ...runbookFlags,
  };

  override async perform(context: CommandContext) {
    const { args, flags: parsed } = this.input(RunbookRun);
    const [{ runRunbookCommand }, { findRunbook }, { parseInputs }] = await Promise.all([
      import('../../cli/runbook-command.js'),
      import('../../cli/runbook-catalogue.js'),
      import('../../cli/runbook-inputs.js'),
    ]);
    const runbook = await findRunbook(context, args.id);
    const flags = {
      ...toRunbookFlags(parsed),
      dryRun: parsed['dry-run'],
      incident: parsed.incident,
    };
    const input = parseInputs(runbook, parsed.input ?? []);
    return { report: await runRunbookCommand(context, runbook, input, flags), flags };
  }
}
