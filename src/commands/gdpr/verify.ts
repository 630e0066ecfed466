import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { discoveryWork, keysOf } from '../../cli/gdpr-command.js';
import type { Verification } from '../../privacy/verification.js';
import { ExitCode, refused } from '../../system/errors.js';

interface GdprVerifyResult extends Verification {
  requestId: string;
  verified: boolean;
}

export default class GdprVerify extends ReviewopsCommand<GdprVerifyResult> {
  static override summary = 'Read everything again: is anything of an erased person left or back?';
  static override description =
    'All texts of all tables and files, old versions included. Status 1 when something is found. Until the erasure is final; after that nobody knows any more whom to look for.';
  static override examples = ['<%= config.bin %> gdpr verify DSR-2026-0042'];
  static override args = {
    request: Args.string({ required: true, description: 'Id of the request.' }),
  };

  override async execute(context: CommandContext): Promise<GdprVerifyResult> {
    const { args } = this.input(GdprVerify);
    const [{ verifyErasure }, { readFound, runsOf }, { Needles }, { requireRequest }] =
      await Promise.all([
        import('../../privacy/verify.js'),
        import('../../privacy/found.js'),
        import('../../privacy/needles.js'),
        import('../../privacy/requests.js'),
      ]);
    const lake = await context.lake();
    const { record } = await requireRequest(lake, args.request);
    if (record.runId === null || record.state === 'final') {
      throw refused(
        'NOTHING_TO_VERIFY',
        record.state === 'final'
          ? `Request ${args.request} is final; whom it was about is forgotten.`
          : `Request ${args.request} was not erased yet.`,
        { hint: `reviewops gdpr show ${args.request}` },
      );
    }
    const needles = new Needles();
    for (const runId of runsOf(record)) {
      needles.addAll((await readFound(lake, await keysOf(context), runId)).needles);
    }
    const verification = await verifyErasure(await discoveryWork(context), needles);
    const verified = verification.found.length === 0 && verification.unread.length === 0;
    return { requestId: args.request, verified, ...verification };
  }

  protected override exitCode({ verified }: GdprVerifyResult): ExitCode {
    return verified ? ExitCode.done : ExitCode.failed;
  }

  override render(result: GdprVerifyResult): string {
    const { verified, found, mentioned, unread, limits, tablesRead, filesRead } = result;
    return [
      `${tablesRead} tables and ${filesRead} files read: ${verified ? 'nothing of the person is found.' : 'NOT clean.'}`,
      ...found.map(({ place, rows }) => `FOUND: ${place}: ${rows} rows`),
      ...unread.map(({ place, why }) => `NOT READ: ${place}: ${why}`),
      ...limits,
      ...mentioned.map(
        ({ place, rows }) => `For a person: ${place}: ${rows} texts name the person.`,
      ),
    ].join('\n');
  }
}
