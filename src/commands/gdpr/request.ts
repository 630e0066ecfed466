import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { keysOf, readIdentifierText } from '../../cli/gdpr-command.js';
import { invalid } from '../../system/errors.js';
import { thisProcess } from '../../system/owner.js';

interface GdprRequestResult {
  requestId: string;
  created: boolean;
  state: string;
  receivedAt: string;
  dueAt: string;
  given: Record<string, number>;
}

export default class GdprRequest extends ReviewopsCommand<GdprRequestResult> {
  static override summary = 'Record a request for erasure or access; nothing is erased yet.';
  static override description =
    `Identifiers come from standard input, a file or a prompt, never as arguments, which a list of processes and a shell's history keep: one a line (\`customer: C42\`, \`buyer: …\`, \`email: …\`, \`phone: …\`) or a JSON object.

The id is the idempotency key: recording the same request again changes nothing. The deadline is one month from receipt.`;
  static override examples = [
    '<%= config.bin %> gdpr request DSR-2026-0042 < identifiers.txt',
    '<%= config.bin %> gdpr request DSR-2026-0042 --file identifiers.json --received-at 2026-01-31',
  ];
  static override args = {
    request: Args.string({
      required: true,
      description: 'Id of the request: the number of the case.',
    }),
  };
  static override flags = {
    file: Flags.string({
      helpValue: 'FILE',
      description: 'File with the identifiers; - is standard input.',
    }),
    'received-at': Flags.string({
      helpValue: 'TIME',
      description: 'When the request was received (ISO 8601); default now.',
    }),
  };

  override async execute(context: CommandContext): Promise<GdprRequestResult> {
    const { args, flags } = this.input(GdprRequest);
    const [{ parseIdentifiers }, { checkRequestId }, { takeIn }] = await Promise.all([
      import('../../privacy/identifiers.js'),
      import('../../privacy/requests.js'),
      import('../../privacy/intake.js'),
    ]);
    const requestId = checkRequestId(args.request);
    const at = flags['received-at'];
    const receivedAt = at === undefined ? context.now() : new Date(at);
    if (Number.isNaN(receivedAt.getTime())) {
      throw invalid('USAGE_ERROR', '--received-at is no date of ISO 8601.', {
        hint: 'Write it like 2026-01-31 or 2026-01-31T09:00:00Z.',
      });
    }
    const identifiers = parseIdentifiers(await readIdentifierText(context, flags.file));
    const { home, now } = context;
    const { weekends } = (await context.config()).privacy;
    const { record, created } = await takeIn(
      { lake: await context.lake(), keys: await keysOf(context), home, now, weekends },
      { requestId, identifiers, receivedAt, by: thisProcess().user },
    );
    const { state, dueAt, given } = record;
    return { requestId, created, state, receivedAt: record.receivedAt, dueAt, given };
  }

  override render({ requestId, created, dueAt, given }: GdprRequestResult): string {
    const kinds = Object.entries(given).map(([kind, count]) => `${count} ${kind}`);
    return created
      ? `Request ${requestId} is recorded (${kinds.join(', ')}), due ${dueAt.slice(0, 10)}. Next: reviewops gdpr plan ${requestId}`
      : `Request ${requestId} was recorded before; nothing was changed. Due ${dueAt.slice(0, 10)}.`;
  }
}
