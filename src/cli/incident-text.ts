import type { ClockView, IncidentDetail, IncidentRow } from '../incidents/read-model.js';
import { formatSeconds } from '../system/duration.js';
import { shellWord } from '../system/shell.js';
import { renderFields, renderTable } from './table.js';
import { paint, type Terminal } from './terminal.js';

export const minute = (iso: string): string => `${iso.slice(0, 16).replace('T', ' ')}Z`;

/** `in 12m`, `1h 5m late`. */
function away(iso: string | null, now: Date): string {
  if (iso === null) return '–';
  const seconds = (Date.parse(iso) - now.getTime()) / 1000;
  return seconds >= 0
    ? `in ${formatSeconds(Math.floor(seconds))}`
    : `${formatSeconds(Math.ceil(-seconds))} late`;
}

export function renderIncidents(
  incidents: readonly IncidentRow[],
  terminal: Terminal,
  now: Date,
): string {
  return renderTable(
    [
      { name: '#', align: 'right' },
      { name: 'level' },
      { name: 'status' },
      { name: 'opened' },
      { name: 'respond' },
      { name: 'resolve' },
      { name: 'owner', maxWidth: 16 },
      { name: 'summary', maxWidth: Math.max(30, terminal.width - 90) },
    ],
    incidents.map((one) => [
      String(one.incidentId),
      paint(terminal, one.severity === 'P1' ? 'red' : 'bold', one.severity ?? '?'),
      `${one.status}${one.breached ? paint(terminal, 'red', ' !') : ''}${one.reviewDue ? ' (review)' : ''}`,
      minute(one.openedAt),
      away(one.respondBy, now),
      one.status === 'paused' ? 'paused' : away(one.resolveBy, now),
      one.owner ?? '–',
      one.summary,
    ]),
    terminal,
  );
}

function clockText({ due, metAt, breachedAt, left, paused }: ClockView): string {
  const late = breachedAt === null ? '' : ` (missed at ${minute(breachedAt)})`;
  if (metAt !== null) return `done ${minute(metAt)}${late}`;
  const rest = left === null ? '' : formatSeconds(Math.abs(left));
  if (paused) return `stands still, ${rest} left${late}`;
  if (due === null) return 'no level to measure by';
  return `${minute(due)}, ${(left ?? 0) < 0 ? `${rest} late` : `${rest} left`}${late}`;
}

export function renderIncident(one: IncidentDetail, terminal: Terminal): string {
  const fields: [string, string][] = [
    ['incident', `#${one.incidentId} ${one.summary}`],
    ['level', one.severity ?? 'unknown'],
    ['status', `${one.status}${one.reopened > 0 ? `, reopened ${one.reopened}×` : ''}`],
    ['owner', one.owner ?? '–'],
    ['opened', `${minute(one.openedAt)} by ${one.openedBy}`],
    ['respond', clockText(one.clocks.respond)],
    ['resolve', clockText(one.clocks.resolve)],
    ['batch', one.batchId ?? '–'],
    ...optional(one),
  ];
  const events = one.events.map(
    ({ at, by, type, data }) =>
      `${minute(at)}  ${paint(terminal, 'bold', type)}  ${by}  ${eventText(type, data)}`,
  );
  return [renderFields(fields, terminal), '', ...events].join('\n');
}

function optional(one: IncidentDetail): [string, string][] {
  const fields: [string, string | null][] = [
    ['next status', one.nextStatusAt === null ? null : minute(one.nextStatusAt)],
    ['root cause', one.rootCause],
    ['action', one.action],
    ['cure', one.runbooks.map(cureText).join('; ')],
    ['runs', one.runs.map(({ runId, state }) => `${runId} (${state})`).join(', ')],
    [
      'findings',
      one.findings.map(({ check, active }) => `${check}${active ? '' : ' (gone)'}`).join(', '),
    ],
    [
      'follow-up',
      one.actions
        .map(
          ({ item, text, owner, due, doneAt }) =>
            `${item}. ${text} (${owner}, ${doneAt === null ? `due ${due}` : 'done'})`,
        )
        .join('; '),
    ],
    ['tickets', one.links.map(({ tracker, id, url }) => `${tracker} ${url ?? id}`).join(', ')],
    ['merged into', one.mergedInto === null ? null : `#${one.mergedInto}`],
    ['review', one.reviewDue ? 'it keeps coming back: review the architecture' : null],
  ];
  return fields.filter((field): field is [string, string] => field[1] !== null && field[1] !== '');
}

/** The command that starts a runbook for an incident. */
export const cureText = ({ id, input }: { id: string; input: Record<string, unknown> }): string =>
  [
    `reviewops runbook run ${id}`,
    ...Object.entries(input).flatMap(([name, value]) =>
      [value].flat().map((one) => `--input ${shellWord(`${name}=${String(one)}`)}`),
    ),
  ].join(' ');

/** What an event says beside its type, on one line. */
function eventText(_type: string, data: Record<string, unknown>): string {
  const { evidence: _evidence, runbook: _runbook, cause: _cause, ...rest } = data;
  return Object.entries(rest)
    .map(([name, value]) =>
      name === 'summary' || name === 'text' ? String(value) : `${name}=${plain(value)}`,
    )
    .join(' ');
}

const plain = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value);
