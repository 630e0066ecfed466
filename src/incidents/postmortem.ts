import type { IncidentsConfig } from '../config/incidents-schema.js';
import { clockOf, policyOf } from './clocks.js';
import { describeEvent } from './describe.js';
import { type ChecklistItem, checklistItems, type LoggedEvent } from './events.js';
import { severityName } from './severity.js';
import type { IncidentState } from './state.js';
import type { Incident } from './store.js';
import { checklistText } from './transitions.js';

/** A run of a runbook that belongs to the incident, as its journal tells it. */
export interface RunOfIncident {
  runId: string;
  runbook: string;
  title: string;
  state: string;
  by: string;
  host: string;
  startedAt: string;
  finishedAt: string | null;
  /** What was typed to run it, and the commands that its steps stand for. */
  commands: CommandOfIncident[];
  /** What was done, and what came of it. */
  steps: { id: string; kind: string; state: string; summary: string }[];
  approvals: { by: string; how: string }[];
  notes: { by: string; text: string }[];
}

export interface CommandOfIncident {
  at: string;
  by: string;
  command: string;
  /** What it was for, and what came of it. */
  outcome: string;
}

/** A run of the pipeline that failed for the incident's cause, or worked on its batch meanwhile. */
export interface PipelineRunOfIncident {
  runId: string;
  batchId: string;
  /** `run` or a stage. */
  command: string;
  /** The first stage that was begun. */
  from: string | null;
  status: string;
  by: string;
  startedAt: string;
  seconds: number | null;
  error: string | null;
}

/** What ran, as far as it belongs to the incident. */
export interface Ran {
  runbooks: readonly RunOfIncident[];
  pipeline: readonly PipelineRunOfIncident[];
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
  pipelineRuns: PipelineRunOfIncident[];
  /** Everything that was typed or stands for a step, the oldest first. */
  commands: CommandOfIncident[];
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
  { runbooks: runs, pipeline }: Ran,
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
    pipelineRuns: [...pipeline],
    commands: commandsOf(runs, pipeline),
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

/** A stage is a command of its own; a run from the start on makes its batch. */
function pipelineCommand({ command, batchId, from }: PipelineRunOfIncident): string {
  if (command !== 'run') return `reviewops pipeline ${command} --batch-id ${batchId}`;
  if (from === null || from === 'extract') return 'reviewops pipeline run';
  return `reviewops pipeline run --batch-id ${batchId} --from ${from}`;
}

const commandsOf = (
  runs: readonly RunOfIncident[],
  pipeline: readonly PipelineRunOfIncident[],
): CommandOfIncident[] =>
  [
    ...runs.flatMap(({ commands }) => commands),
    ...pipeline.map(
      (run): CommandOfIncident => ({
        at: run.startedAt,
        by: run.by,
        command: pipelineCommand(run),
        outcome: [`batch ${run.batchId}: ${run.status}`, run.error]
          .filter((part) => part !== null)
          .join('; '),
      }),
    ),
  ].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));

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
