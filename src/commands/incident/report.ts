import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderReport } from '../../cli/incident-report-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { MonthlyReport } from '../../incidents/report.js';

interface ReportResult extends MonthlyReport {
  /** Where it was written. */
  file: string | null;
}

export default class IncidentReport extends ReviewopsCommand<ReportResult> {
  static override summary = 'Report on the incidents of a month.';
  static override description =
    'Counts by severity, times to respond and to resolve (mean, p50, p90), what was missed, what came back, and availability against 99.9 % (database) and 99 % (ETL).';
  static override examples = [
    '<%= config.bin %> incident report --month 2026-11',
    '<%= config.bin %> incident report --format html --output november.html',
  ];
  static override flags = {
    month: Flags.string({
      helpValue: 'YYYY-MM',
      description: 'The month (UTC); default: this one.',
    }),
    format: Flags.option({
      options: ['text', 'csv', 'html'] as const,
      default: 'text' as const,
      description: 'How it is written.',
    })(),
    output: Flags.string({ helpValue: 'FILE', description: 'Write it there.' }),
  };

  #text = '';

  override async execute(context: CommandContext): Promise<ReportResult> {
    const { flags } = this.input(IncidentReport);
    const { makeReport } = await import('../../cli/incident-papers.js');
    const month = flags.month ?? context.now().toISOString().slice(0, 7);
    const { report, text, file } = await makeReport(context, month, flags.format, flags.output);
    this.#text = text;
    return { ...report, file };
  }

  override render(result: ReportResult, terminal: Terminal): string {
    if (result.file !== null) return `Written to ${result.file}.`;
    return this.input(IncidentReport).flags.format === 'text'
      ? renderReport(result, terminal)
      : this.#text;
  }
}
