import type { IncidentsConfig } from '../config/incidents-schema.js';
import { formatSeconds } from '../system/duration.js';
import { clockOf, policyOf } from './clocks.js';
import { describeEvent } from './describe.js';
import { markdownEscape as markdown } from './escape.js';
import { type ChecklistItem, checklistItems, type LoggedEvent } from './events.js';
import { severityName } from './severity.js';
import type { Incident } from './store.js';
import type { IncidentState } from './timeline.js';
import { checklistText } from './transitions.js';

/** A run of a runbook that belongs to the incident, as its journal tells it. */
export interface RunOfIncident {
  runId: string;
  runbook: string;
  title: string;
  state: string;
  by: string;
  startedAt: string;
  finishedAt: string | null;
  /** What was done: the command a person could type, and what came of it. */
  steps: { id: string; kind: string; state: string; summary: string }[];
  approvals: { by: string; how: string }[];
  notes: { by: string; text: string }[];
}

/** What only people know; null until somebody fills it in. */
export interface HumanParts {
  rootCause: string | null;
  impactOnUsers: string | null;
  impactOnBusiness: string | null;
  correctiveActions: string | null;
  preventiveMeasures: string | null;
  lessons: string | null;
}

export interface PostMortem {
  incidentId: number;
  summary: string;
  severity: string | null;
  status: string;
  owner: string | null;
  batchId: string | null;
  service: string | null;
  cause: string | null;
  detectedAt: string;
  detectedBy: string;
  source: string;
  firstResponseAt: string | null;
  firstResponseBy: string | null;
  resolvedAt: string | null;
  closedAt: string | null;
  /** Seconds from detection. */
  secondsToRespond: number | null;
  /** Seconds in which it was not resolved, over all of its returns, pauses left out. */
  secondsToResolve: number | null;
  reopened: number;
  breaches: { clock: string; at: string }[];
  people: string[];
  called: { at: string; role: string; contacts: readonly string[]; reason: string }[];
  evidence: { at: string; source: string; summary: string; evidence: object }[];
  runs: RunOfIncident[];
  timeline: { at: string; by: string; what: string }[];
  checklist: { item: ChecklistItem; text: string; confirmed: boolean }[];
  actions: { item: number; text: string; owner: string; due: string; doneAt: string | null }[];
  tickets: { tracker: string; id: string; url: string | null }[];
  reviewDue: boolean;
  human: HumanParts;
}

const seconds = (from: Date, until: Date): number => (until.getTime() - from.getTime()) / 1000;

/** Seconds in which it was open, without its pauses; null while it is open. */
export function secondsToResolve(state: IncidentState): number | null {
  let total = 0;
  for (const { start, resolvedAt, pauses } of state.cycles) {
    if (resolvedAt === null) return null;
    total += seconds(start, resolvedAt);
    for (const { from, until } of pauses) total -= seconds(from, until ?? resolvedAt);
  }
  return total;
}

export const secondsToRespond = ({ cycles: [first] }: IncidentState): number | null =>
  first === undefined || first.respondedAt === null
    ? null
    : seconds(first.start, first.respondedAt);

/** Every time that was missed, in all cycles. */
export function breachesOf(
  state: IncidentState,
  config: IncidentsConfig,
  now: Date,
): { clock: 'respond' | 'resolve'; at: Date }[] {
  const policy = policyOf(config);
  return state.cycles.flatMap((cycle) =>
    (['respond', 'resolve'] as const).flatMap((clock) => {
      const at = clockOf(clock, cycle, policy, now).breachedAt;
      return at === null ? [] : [{ clock, at }];
    }),
  );
}

/** Fills in everything that the log and the journals know; what people have to say is left open. */
export function postMortem(
  { id, state, events }: Incident & { events: readonly LoggedEvent[] },
  runs: readonly RunOfIncident[],
  config: IncidentsConfig,
  now: Date,
): PostMortem {
  const [first] = state.cycles;
  const last = state.cycles.at(-1);
  const people = new Set(
    [
      ...events.map(({ by }) => by),
      ...runs.flatMap(({ by, approvals }) => [by, ...approvals.map((one) => one.by)]),
    ].filter((name) => name !== 'reviewops'),
  );
  return {
    incidentId: id,
    summary: state.summary,
    severity: severityName(state.severity, config.names),
    status: state.status,
    owner: state.owner,
    batchId: state.batchId,
    service: state.service,
    cause: state.cause,
    detectedAt: state.openedAt.toISOString(),
    detectedBy: state.openedBy,
    source: state.source,
    firstResponseAt: first?.respondedAt?.toISOString() ?? null,
    firstResponseBy: first?.respondedBy ?? null,
    resolvedAt: last?.resolvedAt?.toISOString() ?? null,
    closedAt: state.closedAt?.toISOString() ?? null,
    secondsToRespond: secondsToRespond(state),
    secondsToResolve: secondsToResolve(state),
    reopened: state.cycles.length - 1,
    breaches: breachesOf(state, config, now).map(({ clock, at }) => ({
      clock,
      at: at.toISOString(),
    })),
    people: [...people].sort(),
    called: state.calls.map(({ at, role, contacts, reason }) => ({
      at: at.toISOString(),
      role,
      contacts,
      reason,
    })),
    evidence: state.occurrences.map(({ at, source, summary, evidence }) => ({
      at: at.toISOString(),
      source: source ?? 'person',
      summary,
      evidence: evidence ?? {},
    })),
    runs: [...runs],
    timeline: timelineOf(events, runs),
    checklist: checklistItems.map((item) => ({
      item,
      text: checklistText[item],
      confirmed: state.checklist.includes(item),
    })),
    actions: state.followUps.map((item) => ({
      ...item,
      doneAt: item.doneAt?.toISOString() ?? null,
    })),
    tickets: state.links,
    reviewDue: state.reviewDue,
    human: {
      rootCause: state.rootCause,
      impactOnUsers: null,
      impactOnBusiness: null,
      correctiveActions: state.action,
      preventiveMeasures: null,
      lessons: null,
    },
  };
}

function timelineOf(
  events: readonly LoggedEvent[],
  runs: readonly RunOfIncident[],
): PostMortem['timeline'] {
  const logged = events.map(({ at, by, event }) => ({
    at: at.toISOString(),
    by,
    what: describeEvent(event),
  }));
  const ran = runs.map(({ startedAt, by, runbook, runId }) => ({
    at: startedAt,
    by,
    what: `Started runbook ${runbook} (${runId}).`,
  }));
  return [...logged, ...ran].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

/** Marks what a person has to fill in; nothing else in the page does. */
export const toFillIn = '**TO FILL IN**';

const human = (text: string | null, question: string): string =>
  text === null || text === '' ? `${toFillIn} ${question}` : markdown(text);

const time = (iso: string | null): string => (iso === null ? '–' : iso.replace('T', ' '));

const took = (duration: number | null): string =>
  duration === null ? '–' : formatSeconds(Math.max(0, duration));

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const list = (items: readonly string[], none: string): string =>
  items.length === 0 ? none : items.map((item) => `- ${item}`).join('\n');

/** The page for people: facts in tables, what they have to add marked. */
export function postMortemMarkdown(report: PostMortem): string {
  return `${sections(report)
    .map(([title, body]) => (title === '' ? body : `## ${title}\n\n${body}`))
    .join('\n\n')}\n`;
}

function sections(report: PostMortem): [title: string, body: string][] {
  const { human: said } = report;
  return [
    ['', `# Post-mortem of incident #${report.incidentId}: ${markdown(report.summary)}`],
    ['Facts', facts(report)],
    ['Root cause', human(said.rootCause, 'Why did it happen, and why was it possible?')],
    ['Impact on users', human(said.impactOnUsers, 'Who noticed what, for how long?')],
    ['Impact on the business', human(said.impactOnBusiness, 'What did it cost?')],
    ['Evidence', evidenceText(report)],
    ['What was done', runsText(report)],
    ['Corrective actions', human(said.correctiveActions, 'What was put right, and how?')],
    ['Preventive measures', human(said.preventiveMeasures, 'What keeps it from coming back?')],
    ['Action items', actionsText(report)],
    ['Lessons', human(said.lessons, 'What went well, what did not, where were we lucky?')],
    ['Closing checklist', checklistLines(report)],
    ['Time line (UTC)', timelineText(report)],
  ];
}

function facts(report: PostMortem): string {
  const rows: [string, string][] = [
    ['Severity', report.severity ?? 'unknown'],
    ['Status', report.status],
    ['Owner', markdown(report.owner ?? '–')],
    ['Batch', markdown(report.batchId ?? '–')],
    ['Detected', `${time(report.detectedAt)} by ${markdown(report.detectedBy)} (${report.source})`],
    [
      'First response',
      `${time(report.firstResponseAt)}${report.firstResponseBy === null ? '' : ` by ${markdown(report.firstResponseBy)}`}`,
    ],
    ['Time to first response', took(report.secondsToRespond)],
    ['Resolved', time(report.resolvedAt)],
    ['Time to resolve', took(report.secondsToResolve)],
    ['Closed', time(report.closedAt)],
    ['Came back', report.reopened === 0 ? 'no' : `${report.reopened}×`],
    [
      'Times missed',
      report.breaches.map(({ clock, at }) => `${clock} at ${time(at)}`).join(', ') || 'none',
    ],
    ['People', report.people.map(markdown).join(', ') || '–'],
    [
      'Tickets',
      report.tickets.map(({ tracker, id }) => `${markdown(tracker)} ${markdown(id)}`).join(', ') ||
        '–',
    ],
    ['Architecture review', report.reviewDue ? 'due: it keeps coming back' : 'no'],
  ];
  return table(['', ''], rows);
}

const evidenceText = ({ evidence }: PostMortem): string =>
  list(
    evidence.map(({ at, source, summary, evidence: seen }) => {
      const details = Object.keys(seen).length === 0 ? '' : ` — ${markdown(JSON.stringify(seen))}`;
      return `${time(at)} (${source}): ${markdown(summary)}${details}`;
    }),
    'None.',
  );

function runsText({ runs }: PostMortem): string {
  if (runs.length === 0) return 'No runbook was run for it.';
  return runs
    .map((run) => {
      const head = `### ${markdown(run.title)}\n\n\`reviewops runbook history ${run.runId}\` by ${markdown(run.by)}, ${time(run.startedAt)} to ${time(run.finishedAt)}: ${run.state}`;
      const steps = run.steps.map(
        ({ id, kind, state, summary }) =>
          `${markdown(id)} (${kind}): ${state}. ${markdown(summary)}`,
      );
      const said = [
        ...run.approvals.map(({ by, how }) => `approved by ${markdown(by)} (${markdown(how)})`),
        ...run.notes.map(({ by, text }) => `${markdown(by)}: ${markdown(text)}`),
      ];
      return `${head}\n\n${list([...steps, ...said], '')}`;
    })
    .join('\n\n');
}

function actionsText({ actions, incidentId }: PostMortem): string {
  if (actions.length === 0) {
    return `${toFillIn} Who does what until when? \`reviewops incident action ${incidentId} --add TEXT --owner NAME --due DATE\``;
  }
  return table(
    ['#', 'what', 'owner', 'due', 'done'],
    actions.map(({ item, text, owner, due, doneAt }) => [
      String(item),
      markdown(text),
      markdown(owner),
      due,
      time(doneAt),
    ]),
  );
}

const checklistLines = ({ checklist }: PostMortem): string =>
  checklist.map(({ text, confirmed }) => `- [${confirmed ? 'x' : ' '}] ${text}`).join('\n');

const timelineText = ({ timeline }: PostMortem): string =>
  table(
    ['when', 'who', 'what'],
    timeline.map(({ at, by, what }) => [time(at), markdown(by), markdown(what)]),
  );
