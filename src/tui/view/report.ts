import type { RunReport } from '../../runbooks/engine/report.js';
import { formatSeconds } from '../../system/duration.js';
import type { Related } from '../state/model.js';
import type { RunView } from '../state/run.js';
import { blank, type Line, line, span, wrapped } from './line.js';
import { checkSign, clock, runSign, signSpan } from './words.js';

/** How a run ended, what to do next, and what every step found. */
export function reportLines(run: RunView | undefined, width: number, related?: Related): Line[] {
  if (run === undefined) return wrapped('The run has not begun.', width, 'dim');
  if (run.failure !== undefined) {
    const { message, hint } = run.failure;
    const next = hint === undefined ? [] : [blank, ...wrapped(hint, width, 'caution')];
    return [...wrapped(message, width, 'bad'), ...next];
  }
  const { report } = run;
  if (report === undefined) {
    return wrapped('The run goes on; its report comes at the end.', width, 'dim');
  }
  const planned = run.dryRun && report.state === 'succeeded';
  return [
    [
      planned ? span('✓ planned; nothing was changed', 'good') : signSpan(runSign(report.state)),
      span(`  ${report.runId}`, 'dim'),
    ],
    ...(report.reason === null ? [] : wrapped(report.reason, width)),
    ...(report.remains === null ? [] : wrapped(`Remains: ${report.remains}`, width, 'caution')),
    ...foundLines(report, width),
    ...(planned ? wrapped('4 shows what would be done; Esc leads back to the start.', width) : []),
    ...nextLines(report, width),
    ...(run.dryRun ? [] : incidentLines(report, width, related)),
    blank,
    ...stepLines(report, width),
  ];
}

/**
 * What shows that it worked, or what is wrong, before all the steps. What was found before the last
 * change is not so any more.
 */
function foundLines({ state, steps }: RunReport, width: number): Line[] {
  const changed = steps.findLastIndex(
    (step) => (step.kind === 'act' || step.kind === 'manual') && step.state === 'done',
  );
  const since = steps.slice(changed + 1).filter(({ finding }) => finding !== undefined);
  const wrong = since.flatMap(({ id, finding }) => {
    if (finding?.state !== 'critical' && finding?.state !== 'warning') return [];
    const { sign, tone } = checkSign(finding.state);
    return wrapped(`${sign} ${id}: ${finding.summary}`, width, tone);
  });
  const last = since.at(-1)?.finding;
  if (state !== 'succeeded' || changed === -1 || last?.state !== 'ok') return wrong;
  return [...wrapped(`Proven: ${last.summary}`, width, 'good'), ...wrong];
}

/** What a person does now: the first thing to be read after how it ended. */
function nextLines({ error, resume, due, branch, reportFiles }: RunReport, width: number): Line[] {
  const lines: Line[] = [];
  if (error?.hint !== undefined) lines.push(...wrapped(`Next: ${error.hint}`, width, 'caution'));
  if (due !== null) lines.push(line(`It can go on from ${clock(due)} UTC.`, 'caution'));
  if (resume !== null) lines.push(...wrapped('r goes on with it.', width, 'caution'));
  if (branch?.to === 'runbook') {
    lines.push(...wrapped(branch.why, width));
    lines.push(...wrapped(`b opens ${branch.runbook}.`, width, 'caution'));
  }
  if (reportFiles !== null) lines.push(...wrapped(`Report: ${reportFiles.markdown}`, width));
  return lines;
}

/** Whether there is an incident to be updated, or one can be opened. */
function incidentLines({ runId }: RunReport, width: number, related: Related | undefined): Line[] {
  const incident = related?.runId === runId ? related.incident : undefined;
  const text =
    incident === undefined
      ? 'i opens an incident.'
      : `i updates incident #${incident.incidentId} (${incident.severity ?? '?'} ${incident.status}): ${incident.summary}`;
  return wrapped(text, width, 'caution');
}

function stepLines({ steps }: RunReport, width: number): Line[] {
  if (steps.every(({ state }) => state === 'pending')) return [];
  return steps.flatMap(({ id, state, summary, seconds, verified, finding }) => {
    const said = state === 'pending' ? 'to do' : (finding?.state ?? state);
    const word = verified?.done === true ? `${said}, verified` : said;
    const time = seconds === null ? '' : ` (${formatSeconds(seconds)})`;
    return [
      ...wrapped(`${id}: ${word}${time}`, width, 'accent'),
      ...(summary === '' ? [] : wrapped(summary, width, undefined, 2)),
    ];
  });
}
