import { formatSeconds } from '../system/duration.js';
import { csvField, htmlEscape as html } from './escape.js';
import type { MonthlyReport, Spread } from './report.js';

/** The incidents of the month, one a line; what a spreadsheet would run is text. */
export function reportCsv({ incidents }: MonthlyReport): string {
  const head = [
    'incident',
    'severity',
    'status',
    'opened_at',
    'seconds_to_respond',
    'seconds_to_resolve',
    'breached',
    'summary',
  ];
  const rows = incidents.map((one) =>
    [
      one.incidentId,
      one.severity,
      one.status,
      one.openedAt,
      one.secondsToRespond,
      one.secondsToResolve,
      String(one.breached),
      one.summary,
    ].map(csvField),
  );
  return `${[head, ...rows].map((row) => row.join(',')).join('\n')}\n`;
}

export const duration = (seconds: number | null): string =>
  seconds === null ? '–' : formatSeconds(Math.max(0, seconds));

export const spreadText = ({ mean, p50, p90 }: Spread): string =>
  mean === null ? '–' : `${duration(mean)} / ${duration(p50)} / ${duration(p90)}`;

const colors = ['#b3261e', '#c77700', '#8a8000', '#3b6ea5'];

interface Bar {
  label: string;
  value: number;
  text: string;
  color: string;
}

/** Horizontal bars as inline SVG, with the numbers as text for whoever cannot see them. */
function chart(title: string, bars: readonly Bar[]): string {
  const largest = Math.max(1e-9, ...bars.map(({ value }) => value));
  const rows = bars.map(({ label, value, text, color }, index) => {
    const y = index * 28;
    const width = Math.round((value / largest) * 420);
    return `<text x="0" y="${y + 18}">${html(label)}</text><rect x="150" y="${y + 4}" width="${width}" height="18" fill="${color}"/><text x="${156 + width}" y="${y + 18}">${html(text)}</text>`;
  });
  const described = bars.map(({ label, text }) => `${label}: ${text}`).join('; ');
  return `<figure><figcaption>${html(title)}</figcaption><svg role="img" aria-label="${html(`${title}: ${described}`)}" viewBox="0 0 720 ${bars.length * 28}" width="720" height="${bars.length * 28}" xmlns="http://www.w3.org/2000/svg">${rows.join('')}</svg></figure>`;
}

const htmlTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><thead><tr>${head.map((cell) => `<th scope="col">${html(cell)}</th>`).join('')}</tr></thead><tbody>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${html(cell)}</td>`).join('')}</tr>`)
    .join('')}</tbody></table>`;

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1b1a;background:#fff}table{border-collapse:collapse;margin:1rem 0}th,td{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #ccc}svg text{font:13px system-ui,sans-serif}figcaption{font-weight:600}svg{max-width:100%;height:auto}';

/** A page of its own: no script, nothing loaded from elsewhere. */
export function reportHtml(report: MonthlyReport): string {
  const { month, levels, availability, repeated, incidents } = report;
  const bars = (value: (index: number) => number | null, text: (index: number) => string) =>
    levels.map(({ severity }, index) => ({
      label: severity,
      value: value(index) ?? 0,
      text: text(index),
      color: colors[index] ?? '#555',
    }));
  const body = [
    `<h1>Incidents of ${html(month)}</h1>`,
    `<p>${report.opened} opened; ${html(report.from.slice(0, 10))} to ${html(report.until.slice(0, 16).replace('T', ' '))} UTC.</p>`,
    chart(
      'Incidents by severity',
      bars(
        (index) => levels[index]?.opened ?? 0,
        (index) => String(levels[index]?.opened ?? 0),
      ),
    ),
    chart(
      'Mean time to resolve',
      bars(
        (index) => levels[index]?.resolve.mean ?? 0,
        (index) => duration(levels[index]?.resolve.mean ?? null),
      ),
    ),
    chart(
      'Missed times',
      bars(
        (index) => (levels[index]?.breaches.respond ?? 0) + (levels[index]?.breaches.resolve ?? 0),
        (index) =>
          `${levels[index]?.breaches.respond ?? 0} to respond, ${levels[index]?.breaches.resolve ?? 0} to resolve`,
      ),
    ),
    chart(
      'Time down',
      availability.map(({ service, downSeconds, percent, target, met }) => ({
        label: service,
        value: downSeconds,
        text: `${duration(downSeconds)} (${percent.toFixed(3)} % of ${target} %)`,
        color: met ? '#2e7d32' : '#b3261e',
      })),
    ),
    '<h2>By severity</h2>',
    htmlTable(
      [
        'severity',
        'opened',
        'unresolved',
        'respond (mean / p50 / p90)',
        'resolve (mean / p50 / p90)',
        'missed',
        'repeats',
      ],
      levels.map((level) => [
        level.severity,
        String(level.opened),
        String(level.unresolved),
        spreadText(level.respond),
        spreadText(level.resolve),
        `${level.breaches.respond} + ${level.breaches.resolve}`,
        String(level.repeats),
      ]),
    ),
    '<h2>Causes that came back</h2>',
    repeated.length === 0
      ? '<p>None.</p>'
      : htmlTable(
          ['cause', 'times', 'incidents'],
          repeated.map(({ cause, times, incidents: ids }) => [
            cause,
            String(times),
            ids.map((id) => `#${id}`).join(', '),
          ]),
        ),
    '<h2>Incidents</h2>',
    htmlTable(
      ['#', 'severity', 'status', 'opened', 'respond', 'resolve', 'missed', 'summary'],
      incidents.map((one) => [
        String(one.incidentId),
        one.severity ?? '?',
        one.status,
        one.openedAt.slice(0, 16).replace('T', ' '),
        duration(one.secondsToRespond),
        duration(one.secondsToResolve),
        one.breached ? 'yes' : 'no',
        one.summary,
      ]),
    ),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>Incidents of ${html(month)}</title><style>${style}</style></head>
<body>
${body.join('\n')}
</body></html>
`;
}
