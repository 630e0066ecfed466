import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { type Certificate, certificateText } from '../../privacy/certificate.js';

export default class GdprCertificate extends ReviewopsCommand<Certificate> {
  static override summary = 'Show the certificate of an erasure; it names nobody.';
  static override description =
    'Provisional until the last residual has expired; then it becomes final, and the sealed identifiers are forgotten.';
  static override examples = ['<%= config.bin %> gdpr certificate DSR-2026-0042 --json'];
  static override args = {
    request: Args.string({ required: true, description: 'Id of the request.' }),
  };

  override async execute(context: CommandContext): Promise<Certificate> {
    const { args } = this.input(GdprCertificate);
    const { currentCertificate } = await import('../../privacy/finish.js');
    return currentCertificate(await context.lake(), args.request, context);
  }

  override render(certificate: Certificate): string {
    return certificateText(certificate);
  }
}
