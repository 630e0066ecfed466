import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { putAnchor } from '../../cli/gdpr-anchors.js';
import type { Anchor } from '../../privacy/anchor.js';

export default class GdprAnchor extends ReviewopsCommand<Anchor> {
  static override summary = "Keep the head of the erasures' journal outside, in a file or bucket.";
  static override description =
    'Choose a place that whoever can write here cannot change: another account, a bucket with object lock (--retain-days), a medium that is written once.';
  static override examples = [
    '<%= config.bin %> gdpr anchor --to /mnt/audit/reviewops.anchors',
    '<%= config.bin %> gdpr anchor --to s3://audit-bucket/reviewops/ --retain-days 730',
  ];
  static override flags = {
    to: Flags.string({
      required: true,
      helpValue: 'PLACE',
      description: 'File, or s3://BUCKET/PREFIX/.',
    }),
    'retain-days': Flags.integer({
      min: 1,
      description:
        'Lock the anchor for this many days (compliance mode); the bucket needs object lock.',
    }),
  };

  override async execute(context: CommandContext): Promise<Anchor> {
    const { flags } = this.input(GdprAnchor);
    return putAnchor(context, flags.to, flags['retain-days']);
  }

  override render({ entries, hash }: Anchor): string {
    return `Anchored: ${entries} entries, head ${hash}.`;
  }
}
