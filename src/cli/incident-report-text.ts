import type { MonthlyReport } from '../incidents/report.js';
import { duration, spreadText } from '../incidents/report-formats.js';
import { renderTable } from './table.js';
import { paint, type Terminal } from './terminal.js';

export function renderReport(report: MonthlyReport, terminal: Terminal): string {
  const levels = renderTable(
    [
      { name: 'severity' },
      { name: 'opened', align: 'right' },
      { name: 'unresolved', align: 'right' },
      { name: 'respond (mean / p50 / p90)' },
      { name: 'resolve (mean / p50 / p90)' },
      { name: 'missed' },
      { name: 'repeats', align: 'right' },
    ],
    report.levels.map((level) => [
      level.severity,
      String(level.opened),
      String(level.unresolved),
      spreadText(level.respond),
      spreadText(level.resolve),
      `${level.breaches.respond} respond, ${level.breaches.resolve} resolve`,
      String(level.repeats),
    ]),
    terminal,
  );
  const availability = report.availability.map(({ service, percent, target, met, downSeconds }) => {
    const verdict = met ? paint(terminal, 'green', 'met') : paint(terminal, 'red', 'missed');
    return `${service}: ${percent.toFixed(3)} % of ${target} % (${duration(downSeconds)} down) ${verdict}`;
  });
  const repeated = report.repeated.map(
    ({ cause, times, incidents }) =>
      `${cause}: ${times}× (${incidents.map((id) => `#${id}`).join(', ')})`,
  );
  return [
    `${report.month}: ${report.opened} incidents`,
    '',
    levels,
    '',
    ...availability,
    ...(repeated.length === 0 ? [] : ['', 'Came back:', ...repeated]),
  ].join('\n');
}
