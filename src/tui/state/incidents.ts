import { checklistItems } from '../../incidents/events.js';
import type { IncidentRow } from '../../incidents/read-model.js';
import { checklistText } from '../../incidents/transitions.js';
import { shellWord } from '../../system/shell.js';
import { cureOf } from '../view/incident-tables.js';
import { listView } from '../view/layout.js';
import { openRunbook } from './go.js';
import {
  type Effect,
  type IncidentChange,
  type IncidentPurpose,
  type Model,
  record,
  shown,
  stay,
  tell,
  type Update,
} from './model.js';

/** The incident that keys act on: the one that is shown, or the one under the cursor. */
export function subjectOf(model: Model): IncidentRow | undefined {
  const screen = shown(model);
  if (screen.name === 'incident') return model.stock.incident.value;
  if (screen.name !== 'incidents') return undefined;
  const view = listView(model);
  const row = view?.table.rows[Math.min(view.list.cursor, view.table.rows.length - 1)];
  const opens = row?.opens;
  if (opens?.to !== 'incident') return undefined;
  return model.stock.incidents.value?.find(({ incidentId }) => incidentId === opens.id);
}

/** What is asked of whoever wants to change something; undefined when there is nothing to change. */
export function purposeOf(
  model: Model,
  action: IncidentPurpose['to'],
): IncidentPurpose | undefined {
  if (action === 'incident-of-run') {
    const { run, stock } = model;
    if (run?.report === undefined) return undefined;
    const { value } = stock.related;
    const id = value?.runId === run.report.runId ? value.incident?.incidentId : undefined;
    return { to: action, id, run: { report: run.report, input: run.input } };
  }
  const id = subjectOf(model)?.incidentId;
  if (id === undefined) return undefined;
  return action === 'close' ? { to: action, id, confirmed: 0 } : { to: action, id };
}

export const refusal = (model: Model): Model =>
  tell(model, 'Read-only: refused. :allow-changes ends that.', 'caution');

/** Opens the runbook that cures the incident that is shown. */
export function openCure(model: Model): Update {
  const { value } = model.stock.incident;
  const cure = value === undefined ? undefined : cureOf(value);
  if (value === undefined || cure === undefined) return stay(model);
  return openRunbook(model, cure.id, cure.input, value.incidentId);
}

/** What is asked, and what has to be typed. */
export function incidentText(purpose: IncidentPurpose): string {
  const { id } = purpose;
  switch (purpose.to) {
    case 'acknowledge':
      return `You work on incident #${id}: the clock for the response and the calls stop. Type yes:`;
    case 'incident-note':
      return `Note for incident #${id}:`;
    case 'resolve':
      return `Incident #${id} is resolved: its clocks stop. Type resolve ${id}, and after it why it happened, where that is known:`;
    case 'close':
      return `Incident #${id} is closed once all ${checklistItems.length} points hold. ${purpose.confirmed + 1}: ${pointOf(purpose)} Type yes:`;
    case 'escalate':
      return `The next of the chain is called for incident #${id}. Type escalate ${id}:`;
    case 'post-mortem':
      return `Into which new file does the post-mortem of incident #${id} go? Such as postmortem-${id}.md:`;
    case 'incident-of-run':
      return id === undefined
        ? 'An incident is opened for this run. Type its level and what people see, such as: P3 Products show no best review'
        : `The run belongs to incident #${id}. What is to be added to it?`;
  }
}

/** The point of the checklist that is asked about. */
function pointOf({ confirmed }: Extract<IncidentPurpose, { to: 'close' }>): string {
  const item = checklistItems[confirmed];
  return item === undefined ? '' : checklistText[item];
}

/** The change that was asked for, what is asked next, or what is wrong with what was typed. */
export function changeOf(
  purpose: IncidentPurpose,
  typed: string,
): IncidentChange | { asks: IncidentPurpose } | string {
  switch (purpose.to) {
    case 'acknowledge':
      return typed === 'yes' ? { to: 'acknowledge', id: purpose.id } : 'Type exactly: yes';
    case 'resolve': {
      const expected = `resolve ${purpose.id}`;
      const change = { to: 'resolve', id: purpose.id } as const;
      if (typed === expected) return change;
      if (!typed.startsWith(`${expected} `)) return `Type exactly: ${expected}`;
      return { ...change, rootCause: typed.slice(expected.length).trim() };
    }
    case 'close': {
      if (typed !== 'yes') return 'Type exactly: yes. Where a point does not hold, leave with esc.';
      const confirmed = purpose.confirmed + 1;
      if (confirmed < checklistItems.length) return { asks: { ...purpose, confirmed } };
      return { to: 'close', id: purpose.id };
    }
    case 'escalate': {
      const expected = `escalate ${purpose.id}`;
      return typed === expected ? { to: 'escalate', id: purpose.id } : `Type exactly: ${expected}`;
    }
    case 'incident-note':
      if (typed === '') return 'Say something, or leave with esc.';
      return { to: 'incident-note', id: purpose.id, text: typed };
    case 'post-mortem':
      if (typed === '') return 'Name a file, or leave with esc.';
      return { to: 'post-mortem', id: purpose.id, file: typed };
    case 'incident-of-run': {
      const { id, run } = purpose;
      if (typed === '') return 'Say something, or leave with esc.';
      if (id !== undefined) return { to: 'add', id, text: typed, run };
      const [, severity = '', summary = ''] = /^(P\d)[\s:,]+(\S.*)$/i.exec(typed) ?? [];
      if (severity === '') return 'First the level, then what people see: P3 Products show …';
      return { to: 'open', severity: severity.toUpperCase(), summary, run };
    }
  }
}

/** Does what was asked for and typed; the engine of incidents is not even asked in read-only mode. */
export function change(model: Model, wanted: IncidentChange): Update {
  const { readOnly } = model;
  if (readOnly) return stay(refusal(model));
  const told = tell(record(model, commandOf(wanted)), 'Writing …');
  return stay(told, { type: 'incident', change: wanted, readOnly });
}

/** The command that does the same. */
function commandOf(wanted: IncidentChange): string {
  switch (wanted.to) {
    case 'acknowledge':
      return `reviewops incident ack ${wanted.id}`;
    case 'resolve': {
      const why =
        wanted.rootCause === undefined ? '' : ` --root-cause ${shellWord(wanted.rootCause)}`;
      return `reviewops incident resolve ${wanted.id}${why}`;
    }
    case 'close':
      return `reviewops incident close ${wanted.id} ${checklistItems.map((item) => `--checked ${item}`).join(' ')}`;
    case 'escalate':
      return `reviewops incident escalate ${wanted.id}`;
    case 'incident-note':
    case 'add':
      return `reviewops incident note ${wanted.id} ${shellWord(wanted.text)}`;
    case 'post-mortem':
      return `reviewops incident postmortem ${wanted.id} --output ${shellWord(wanted.file)}`;
    case 'open':
      return `reviewops incident open ${shellWord(wanted.summary)} --severity ${wanted.severity}`;
  }
}

/** What is fetched again once an incident was changed. */
export function afterChange({ stock, run }: Model): Effect[] {
  const shownId = stock.incident.value?.incidentId;
  const runId = run?.report?.runId;
  return [
    { type: 'load', what: 'incidents' },
    ...(shownId === undefined
      ? []
      : [{ type: 'load', what: 'incident', id: String(shownId) } as const]),
    ...(runId === undefined ? [] : [{ type: 'load', what: 'related', id: runId } as const]),
  ];
}
