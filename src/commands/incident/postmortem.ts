import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { idArg } from '../../cli/incident-command.js';
import type { PostMortem } from '../../incidents/postmortem.js';

interface PostMortemResult {
  postmortem: PostMortem;
  markdown: string;
  /** Where it was written. */
  file: string | null;
}

export default class IncidentPostmortem extends ReviewopsCommand<PostMortemResult> {
  static override summary = 'Write the post-mortem of an incident, as far as the log knows it.';
  static override description =
    'Times, people, evidence, runbooks and their steps are filled in; what only people know is marked with TO FILL IN.';
  static override examples = [
    '<%= config.bin %> incident postmortem 12 --output postmortem-12.md',
    '<%= config.bin %> incident postmortem 12 --json',
  ];
  static override args = idArg;
  static override flags = {
    output: Flags.string({
      helpValue: 'FILE',
      description: 'Write the Markdown there; a file that is there is not overwritten.',
    }),
  };

  override async execute(context: CommandContext): Promise<PostMortemResult> {
    const { args, flags } = this.input(IncidentPostmortem);
    const { writePostMortem } = await import('../../cli/incident-papers.js');
    return writePostMortem(context, args.id, flags.output);
  }

  override render({ markdown, file }: PostMortemResult): string {
    return file === null ? markdown : `Written to ${file}.`;
  }
}
