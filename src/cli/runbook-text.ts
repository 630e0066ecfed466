import type { Branch, StepResult } from '../runbooks/engine/definition.js';
import type { RunEvent } from '../runbooks/engine/events.js';
import type { Plan } from '../runbooks/engine/plan.js';
import type { RunReport } from '../runbooks/engine/runner.js';
import { formatCount, formatSeconds } from '../system/duration.js';
import type { ExitCode } from '../system/errors.js';
import { shellWord } from '../system/shell.js';
import type { CommandContext } from './context.js';
import { jsonLine } from './output.js';
import { renderTable } from './table.js';
import { paint, type Style, type Terminal } from './terminal.js';

/** An event as a line of JSON, dated. */
export const eventLine = (event: RunEvent, at: Date): string =>
  jsonLine({ at: at.toISOString(), ...event });

/** Shows an event on stderr while the run goes on; the plan only to who is about to approve it. */
export function showEvent(context: CommandContext, event: RunEvent, showPlan: boolean): void {
  const { report } = context;
  const notice = (message: string) => report({ type: 'notice', message });
  switch (event.type) {
    case 'run.started':
      notice(`Run ${event.runId}: ${event.title}${event.dryRun ? ' (dry run)' : ''}`);
      break;
    case 'step.started':
      report({ type: 'started', task: event.step });
      break;
    case 'output':
      notice(`  ${event.step} | ${event.text}`);
      break;
    case 'progress': {
      const { step: task, done, total, unit } = event;
      report({ type: 'progress', task, done, unit, ...(total === null ? {} : { total }) });
      break;
    }
    case 'step.retrying':
      notice(`${event.step}: ${event.reason} Next attempt in ${formatSeconds(event.seconds)}.`);
      break;
    case 'lease.taken-over':
      notice(`Took over ${event.target} from ${event.from}, whose process is gone.`);
      break;
    case 'warning':
      report({ type: 'warning', message: event.text });
      break;
    case 'plan.made':
      if (showPlan) notice(renderPlan(event.plan, event.hash, context.terminal));
      break;
    case 'act.undone':
      notice(`Undone: ${event.step}`);
      break;
    case 'step.finished':
      report(finished(event.result));
      break;
    default:
      break;
  }
}

function finished({ id, state, seconds, summary, finding }: StepResult) {
  const bad = ['failed', 'refused', 'unknown'].includes(state) || finding?.state === 'critical';
  const unsure = ['warning', 'unknown'].includes(finding?.state ?? '');
  const text = finding === undefined ? summary : `${finding.state}: ${summary}`;
  return {
    type: 'finished' as const,
    task: id,
    seconds: seconds ?? 0,
    summary: state === 'done' ? text : `${state}: ${summary}`,
    ...(bad ? { mark: 'bad' as const } : unsure ? { mark: 'warning' as const } : {}),
  };
}

/** How many targets a plan shows on screen; its JSON has all. */
const shownTargets = 30;

function renderPlan(plan: Plan, hash: string, terminal: Terminal): string {
  const shown = plan.targets.slice(0, shownTargets);
  const more = plan.targets.length - shown.length;
  const rows = shown.map(({ type, name, action, state }) => [
    action,
    `${type} ${name}`,
    Object.entries(state)
      .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(', '),
  ]);
  return [
    `${paint(terminal, 'bold', 'Plan')} ${hash}`,
    plan.summary,
    ...(rows.length === 0
      ? []
      : [
          renderTable(
            [{ name: 'action' }, { name: 'target' }, { name: 'now', maxWidth: 60 }],
            rows,
            terminal,
          ),
        ]),
    ...(more > 0 ? [`… and ${formatCount(more)} more`] : []),
    ...plan.notes.map((note) => `- ${note}`),
  ].join('\n');
}

const stateStyles: Partial<Record<string, Style>> = {
  done: 'green',
  succeeded: 'green',
  ok: 'green',
  failed: 'red',
  critical: 'red',
  refused: 'red',
  warning: 'yellow',
  unknown: 'yellow',
  waiting: 'yellow',
};

const styled = (terminal: Terminal, text: string): string => {
  const style = stateStyles[text];
  return style === undefined ? text : paint(terminal, style, text);
};

/** What `runbook run` and `runbook resume` print: the report, with its error as data. */
export interface RunResult extends Omit<RunReport, 'error' | 'exitCode'> {
  exitCode: ExitCode;
  dryRun: boolean;
  error: { code: string; message: string; hint: string | null } | null;
}

/** The result of a run as text. */
export function renderRun(report: RunResult, terminal: Terminal): string {
  const { dryRun } = report;
  const lines = [
    renderTable(
      [{ name: 'step' }, { name: 'state' }, { name: 'time', align: 'right' }, { name: 'summary' }],
      report.steps.map(({ id, state, seconds, summary, finding }) => [
        id,
        styled(terminal, finding?.state ?? state),
        seconds === null ? '' : formatSeconds(seconds),
        summary,
      ]),
      terminal,
    ),
    '',
  ];
  if (dryRun && report.plan !== null && report.planHash !== null) {
    lines.push(renderPlan(report.plan, report.planHash, terminal), '');
  }
  const why = report.reason === null ? '' : `: ${report.reason}`;
  const state = dryRun && report.state === 'succeeded' ? 'planned' : report.state;
  lines.push(`Run ${report.runId} ${styled(terminal, state)}${why}`);
  if (report.remains !== null)
    lines.push(`${paint(terminal, 'yellow', 'remains')}: ${report.remains}`);
  const hint = report.error?.hint ?? null;
  if (hint !== null) lines.push(`next: ${hint}`);
  else if (report.resume !== null) lines.push(`next: ${report.resume}`);
  if (report.branch !== null) lines.push(...branchLines(report.branch));
  if (report.reportFiles !== null) lines.push(`report: ${report.reportFiles.markdown}`);
  return lines.join('\n');
}

function branchLines(branch: Branch): string[] {
  if (branch.to === 'step') return [];
  const inputs = Object.entries(branch.input).map(([key, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return ` --input ${shellWord(`${key}=${text}`)}`;
  });
  return [branch.why, `next: reviewops runbook run ${branch.runbook}${inputs.join('')}`];
}

/** In which state things are after Ctrl-C. */
export function stoppedText({ runId, steps, changed }: RunReport): string {
  const done = steps.filter(({ state }) => state === 'done' || state === 'skipped');
  const unknown = steps.filter(({ state }) => state === 'unknown').map(({ id }) => id);
  const what =
    unknown.length > 0
      ? `Step ${unknown.join(', ')} was stopped in the middle; going on probes what it has done.`
      : changed
        ? 'What was done before is done and verified.'
        : 'Nothing was changed.';
  return `Run ${runId} was stopped after ${done.length} of ${steps.length} steps. ${what}`;
}
