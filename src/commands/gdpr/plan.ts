import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { type EraseResult, eraseLines, runErasure } from '../../cli/gdpr-command.js';

export default class GdprPlan extends ReviewopsCommand<EraseResult> {
  static override summary = 'Show what an erasure would touch, and what was found by which link.';
  static override examples = ['<%= config.bin %> gdpr plan DSR-2026-0042'];
  static override strict = false;
  static override args = {
    request: Args.string({ description: 'Ids of requests, for one pass; or take --due.' }),
  };
  static override flags = {
    due: Flags.boolean({ default: false, description: 'All open requests in one plan.' }),
  };

  override async execute(context: CommandContext): Promise<EraseResult> {
    const { argv, flags } = this.input(GdprPlan);
    const input = argv.length === 0 ? { due: flags.due } : { requestIds: argv };
    return runErasure(context, input, { dryRun: true });
  }

  override render(result: EraseResult): string {
    const { argv } = this.input(GdprPlan);
    const which = argv.length === 0 ? '--due' : argv.join(' ');
    return eraseLines(result, `gdpr erase ${which}`).join('\n');
  }
}
