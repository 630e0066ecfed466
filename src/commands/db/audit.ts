import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import type { AuditResult } from '../../maintenance/audit/audit.js';
import { isAlarm } from '../../maintenance/audit/finding.js';
import { formatBytes, formatCount } from '../../system/duration.js';
import { ExitCode } from '../../system/errors.js';

export default class DbAudit extends ReviewopsCommand<AuditResult> {
  static override summary =
    'Audit the database: TLS, rights, keys, indexes, sizes, transaction ids, extensions.';
  static override description =
    'Reads only. Roles are judged where they exist (admin, data_engineer, analyst, frontend, with or without a prefix). Each finding names its fix. Exit status 1 when one is a warning or worse.';
  static override examples = ['<%= config.bin %> db audit', '<%= config.bin %> db audit --json'];

  override async execute(context: CommandContext): Promise<AuditResult> {
    const { auditDatabase } = await import('../../maintenance/audit/audit.js');
    return auditDatabase(await context.database(), await context.config(), context.job);
  }

  protected override exitCode({ findings }: AuditResult): ExitCode {
    return findings.some(isAlarm) ? ExitCode.failed : ExitCode.done;
  }

  override render({ database, findings, tables }: AuditResult, terminal: Terminal): string {
    const style = { critical: 'red', warning: 'yellow', unknown: 'yellow', info: 'dim' } as const;
    const sizes = renderTable(
      [
        { name: 'table' },
        { name: 'rows', align: 'right' },
        { name: 'size', align: 'right' },
        { name: 'indexes', align: 'right' },
      ],
      tables.map(({ table, rows, bytes, indexBytes }) => [
        table,
        rows === null ? 'unknown' : formatCount(rows),
        formatBytes(bytes),
        formatBytes(indexBytes),
      ]),
      terminal,
    );
    const lines = findings.flatMap(({ state, check, object, problem, fix }) => [
      `${paint(terminal, style[state], state)} ${check}: ${object} ${problem}`,
      `  ${fix}`,
    ]);
    const alarms = findings.filter(isAlarm).length;
    return [
      sizes,
      '',
      ...lines,
      alarms === 0
        ? `Nothing in ${database} needs anybody today.`
        : `${alarms} of ${findings.length} findings in ${database} need somebody.`,
    ].join('\n');
  }
}
