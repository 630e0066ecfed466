import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { anchorsOf } from '../../cli/gdpr-anchors.js';
import type { JournalFinding } from '../../privacy/anchor.js';
import { ExitCode } from '../../system/errors.js';

export default class GdprVerifyJournal extends ReviewopsCommand<JournalFinding> {
  static override summary = 'Check the journal of erasures, also against heads anchored elsewhere.';
  static override description =
    'An edit, a removal or another order breaks the chain. That it was cut, or written anew as a whole, shows only against an anchor (`gdpr anchor`).';
  static override examples = [
    '<%= config.bin %> gdpr verify-journal --anchors /mnt/audit/reviewops.anchors',
    '<%= config.bin %> gdpr verify-journal --anchors s3://audit-bucket/reviewops/',
  ];
  static override flags = {
    anchors: Flags.string({
      helpValue: 'PLACE',
      description: 'File or s3://BUCKET/PREFIX/ of the anchors.',
    }),
  };

  override async execute(context: CommandContext): Promise<JournalFinding> {
    const { flags } = this.input(GdprVerifyJournal);
    const { verifyJournal } = await import('../../privacy/anchor.js');
    const anchors = flags.anchors === undefined ? [] : await anchorsOf(context, flags.anchors);
    return verifyJournal(context.home, anchors);
  }

  protected override exitCode({ problems }: JournalFinding): ExitCode {
    return problems.length > 0 ? ExitCode.failed : ExitCode.done;
  }

  override render({ entries, anchors, problems }: JournalFinding): string {
    if (problems.length > 0) return problems.join('\n');
    return `${entries} entries, whole${anchors === 0 ? '; no anchor was compared' : `, and through ${anchors} anchors`}.`;
  }
}
