import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import type { Ability } from '../../credentials/ability.js';
import { ExitCode } from '../../system/errors.js';

interface VerifyResult {
  abilities: (Ability & { wrong: boolean })[];
  wrong: number;
  unknown: number;
}

export default class CredentialsVerify extends ReviewopsCommand<VerifyResult> {
  static override summary = 'Try what each credential has to, and must not, be able to do.';
  static override description =
    'Uses what the sinks hand out: logs in to the database and looks at its rights, reads and writes each layer of the lake on S3 (a small object, removed at once), and has IAM simulate what nobody should be able to do. Ends with status 1 when one of them can too much or too little; what cannot be found out is unknown.';
  static override examples = ['<%= config.bin %> credentials verify'];

  override async execute(context: CommandContext): Promise<VerifyResult> {
    const [{ servicesOf }, { verifyCredentials }, { lookingContext }, { isWrong }] =
      await Promise.all([
        import('../../cli/runbook-services.js'),
        import('../../runbooks/support/credential-verify.js'),
        import('../../runbooks/support/looking.js'),
        import('../../credentials/ability.js'),
      ]);
    const looking = lookingContext(await servicesOf(context), context.signal, context.warn);
    const found = await verifyCredentials(looking);
    return {
      abilities: found.map((one) => ({ ...one, wrong: isWrong(one) })),
      wrong: found.filter(isWrong).length,
      unknown: found.filter((one) => one.found === 'unknown').length,
    };
  }

  override render({ abilities, wrong, unknown }: VerifyResult, terminal: Terminal): string {
    if (abilities.length === 0) return 'No credential is handed out here.';
    const table = renderTable(
      [{ name: '' }, { name: 'credential' }, { name: 'must' }, { name: 'what' }, { name: '' }],
      abilities.map((one) => [
        mark(one, terminal),
        one.id,
        one.expected === 'can' ? 'be able to' : 'not be able to',
        one.what,
        one.detail,
      ]),
      terminal,
    );
    return `${table}\n\n${abilities.length} tried: ${wrong} wrong, ${unknown} unknown.`;
  }

  protected override exitCode({ wrong }: VerifyResult): ExitCode {
    return wrong > 0 ? ExitCode.failed : ExitCode.done;
  }
}

function mark({ wrong, found }: VerifyResult['abilities'][number], terminal: Terminal): string {
  if (wrong) return paint(terminal, 'red', 'wrong');
  return found === 'unknown'
    ? paint(terminal, 'yellow', 'unknown')
    : paint(terminal, 'green', 'ok');
}
