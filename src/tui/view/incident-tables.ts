import type { CureOfIncident } from '../../incidents/events.js';
import type { ClockView, IncidentDetail, IncidentRow } from '../../incidents/read-model.js';
import type { Model } from '../state/model.js';
import { type Span, span } from './line.js';
import { filtered, type Row, type Table, waitingFor } from './table.js';
import { clock, timeLeft } from './words.js';

/** Until when somebody has to do something next; ISO 8601. */
export const nextClock = ({ status, respondBy, resolveBy }: IncidentRow): string | null =>
  status === 'open' ? (respondBy ?? resolveBy) : resolveBy;

/** The incidents that are not closed, with the time that is left as of now. */
export function incidentsTable({ now, stock: { incidents } }: Model, filter: string): Table {
  const rows = (incidents.value ?? []).map((one): Row => {
    const due = nextClock(one);
    const late = one.breached || (due !== null && Date.parse(due) < now);
    return {
      cells: [
        span(`#${one.incidentId}`, 'accent'),
        span(one.severity ?? '?', late ? 'bad' : undefined),
        span(one.status),
        span(due === null ? '' : timeLeft(due, now), late ? 'bad' : undefined),
        span(one.owner ?? 'nobody', one.owner === null ? 'caution' : 'dim'),
        span(one.summary),
      ],
      opens: { to: 'incident', id: one.incidentId },
      says: one.summary,
      copies: `reviewops incident show ${one.incidentId}`,
    };
  });
  return {
    columns: [
      { title: 'id', width: 6 },
      { title: 'level', width: 5 },
      { title: 'status', width: 12 },
      { title: 'time left', width: 13 },
      { title: 'owner', width: 10 },
      { title: 'what', width: 'rest' },
    ],
    rows: filtered(rows, filter),
    empty: waitingFor(incidents, 'No incident is open.'),
  };
}

/** One incident: its clocks as of now, what cures it, its runs, and all that happened. */
export function incidentTable({ now, stock: { incident } }: Model, filter: string): Table {
  const one = incident.value;
  return {
    columns: [
      { title: 'what', width: 12 },
      { title: 'when', width: 19 },
      { title: 'by', width: 10 },
      { title: '', width: 'rest' },
    ],
    rows: filtered(one === undefined ? [] : rowsOf(one, now), filter),
    empty: waitingFor(incident, 'The incident is not there.'),
  };
}

const rowsOf = (one: IncidentDetail, now: number): Row[] => [
  clockRow('respond', one.clocks.respond, now),
  clockRow('resolve', one.clocks.resolve, now),
  clockRow('escalate', one.clocks.escalate, now),
  ...(one.nextStatusAt === null
    ? []
    : [row('status due', one.nextStatusAt, '', timeSpan(one.nextStatusAt, now))]),
  ...curesOf(one).map(
    (cure): Row => ({
      ...row('cure', null, '', span(cure.id, 'accent')),
      opens: { to: 'runbook', id: cure.id, input: cure.input, incident: one.incidentId },
    }),
  ),
  ...one.runs.map(
    ({ runId, runbook, state, at, by }): Row => ({
      ...row('run', at, by, span(`${runbook} ${state}`)),
      opens: { to: 'run', runId, resumable: false },
      copies: `reviewops runbook history ${runId}`,
    }),
  ),
  ...one.events
    .toReversed()
    .map(({ at, by, type, data }) => row(type, at, by, span(eventText(data)))),
];

function row(what: string, at: string | null, by: string, said: Span): Row {
  return {
    cells: [span(what), span(at === null ? '' : clock(at), 'dim'), span(by, 'dim'), said],
    says: said.text,
    copies: [what, at ?? '', by, said.text].filter((part) => part !== '').join(' '),
  };
}

const timeSpan = (due: string, now: number): Span =>
  Date.parse(due) < now ? span(timeLeft(due, now), 'bad') : span(`${timeLeft(due, now)} left`);

function clockRow(name: string, { due, metAt, breachedAt, left, paused }: ClockView, now: number) {
  const late = breachedAt === null ? '' : `, missed at ${clock(breachedAt)}`;
  if (metAt !== null) {
    return row(name, metAt, '', span(`done${late}`, late === '' ? 'good' : 'bad'));
  }
  if (paused) {
    // It stands still: what was left then is left now.
    const rest = timeLeft(new Date(now + (left ?? 0) * 1000).toISOString(), now);
    return row(name, null, '', span(`stands still at ${rest}${late}`, 'caution'));
  }
  if (due === null) return row(name, null, '', span('no level to measure by', 'dim'));
  return row(name, due, '', timeSpan(due, now));
}

/** What an event says, on one line. */
function eventText(data: Record<string, unknown>): string {
  const { evidence: _evidence, runbook: _runbook, cause: _cause, uid: _uid, ...rest } = data;
  return Object.entries(rest)
    .map(([name, value]) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      return name === 'summary' || name === 'text' ? text : `${name} ${text}`;
    })
    .join(', ');
}

/**
 * What cures the incident: the runbooks that its causes name; where none is named, the one whose
 * failure opened it, with the inputs that it had then.
 */
function curesOf({ runbooks, events }: IncidentDetail): readonly CureOfIncident[] {
  if (runbooks.length > 0) return runbooks;
  for (const { data } of events.toReversed()) {
    const { evidence } = data;
    if (!isRecord(evidence) || typeof evidence.runbook !== 'string') continue;
    return [{ id: evidence.runbook, input: isRecord(evidence.input) ? evidence.input : {} }];
  }
  return [];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The newest cure. */
export const cureOf = (one: IncidentDetail): CureOfIncident | undefined => curesOf(one).at(-1);
