import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import type { AuditCheck } from '../../lake/audit.js';
import { ExitCode } from '../../system/errors.js';

interface AuditResult {
  checks: AuditCheck[];
  /** Those that are not ok. */
  findings: AuditCheck[];
}

const styles = { ok: 'green', finding: 'red', unknown: 'yellow' } as const;

export default class LakeAudit extends ReviewopsCommand<AuditResult> {
  static override summary = 'Check how the buckets of the lake are protected.';
  static override description =
    'Public access, encryption, versions, lifecycle rules, refusal of requests without TLS and uploads that nobody completes, each finding with its fix. What may not be looked at is unknown, and counts as a finding. Exit status 1 when there are findings. Changes nothing.';
  static override examples = [
    '<%= config.bin %> lake audit',
    '<%= config.bin %> lake audit --profile prod --json',
  ];

  override async execute(context: CommandContext): Promise<AuditResult> {
    const { lakeBuckets, lakeIsLocal } = await import('../../lake/buckets.js');
    const { auditBuckets } = await import('../../lake/audit.js');
    const { lake } = await context.config();
    const buckets = await lakeBuckets(lake, await context.lakeSurroundings());
    if (buckets.length === 0) throw lakeIsLocal('its protection is that of the file system');
    const checks = await auditBuckets(buckets);
    return { checks, findings: checks.filter(({ state }) => state !== 'ok') };
  }

  protected override exitCode({ findings }: AuditResult): ExitCode {
    return findings.length > 0 ? ExitCode.failed : ExitCode.done;
  }

  override render({ checks, findings }: AuditResult, terminal: Terminal): string {
    const table = renderTable(
      [{ name: 'bucket' }, { name: 'check' }, { name: 'state' }, { name: 'problem' }],
      checks.map(({ bucket, check, state, problem }) => [
        bucket,
        check,
        paint(terminal, styles[state], state),
        problem ?? '',
      ]),
      terminal,
    );
    const fixes = [...new Set(findings.map(({ fix }) => fix ?? ''))];
    return fixes.length === 0 ? table : [table, '', ...fixes].join('\n');
  }
}
