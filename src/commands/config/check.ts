import { join } from 'node:path';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { ExitCode } from '../../system/errors.js';

interface CheckResult {
  /** Null when every setting has its default. */
  file: string | null;
  profiles: { name: string; lake: string }[];
  /** What is valid and will still not work here. */
  findings: { profile: string; message: string; hint: string | null }[];
}

export default class ConfigCheck extends ReviewopsCommand<CheckResult> {
  static override summary = 'Check the configuration, with every profile.';
  static override description =
    'Checks the files and variables by the schema, that the weights of the score add up to 1, the form of the database URL, and that the lake can be written. Exit 2: a mistake in the configuration; exit 1: it is valid, but something it needs is not there.';
  static override examples = [
    '<%= config.bin %> config check',
    '<%= config.bin %> config check --config conf/reviewops.yaml --json',
  ];

  async execute(context: CommandContext): Promise<CheckResult> {
    const { checkProfiles } = await import('../../config/check.js');
    const { scoreWeights } = await import('../../pipeline/score.js');
    const { file } = await context.loadedConfig();
    await context.secrets();
    const checked = await checkProfiles({
      cwd: context.cwd,
      environment: process.env,
      file,
      defaultLake: join(context.home, 'data'),
      checkWeights: scoreWeights,
    });
    return { file: file ?? null, ...checked };
  }

  protected override exitCode({ findings }: CheckResult): ExitCode {
    return findings.length === 0 ? ExitCode.done : ExitCode.failed;
  }

  render({ file, profiles, findings }: CheckResult): string {
    const names = profiles.map(({ name }) => name).join(', ');
    const lines = [`${file ?? 'No configuration file; the defaults'}: valid, profiles ${names}.`];
    for (const { profile, message, hint } of findings) {
      lines.push(`profile ${profile}: ${message}${hint === null ? '' : ` ${hint}`}`);
    }
    return lines.join('\n');
  }
}
