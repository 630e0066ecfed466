import { formatSeconds } from '../system/duration.js';
import { markdownEscape as markdown } from './escape.js';
import type { PostMortem } from './postmortem.js';

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
    ['Commands that ran (UTC)', commandsText(report)],
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
      const head = `### ${markdown(run.title)}\n\n\`reviewops runbook history ${run.runId}\` by ${markdown(run.by)} on ${markdown(run.host)}, ${time(run.startedAt)} to ${time(run.finishedAt)}: ${run.state}`;
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

/** A command is shown as it is, in code: only what would end that is taken out of its way. */
const code = (text: string): string => {
  const line = text.replace(/\s*\r?\n\s*/g, ' ⏎ ').replaceAll('|', String.raw`\|`);
  const fence = line.includes('`') ? '``' : '`';
  return line.includes('``')
    ? markdown(text)
    : `${fence}${fence === '`' ? line : ` ${line} `}${fence}`;
};

function commandsText({ commands }: PostMortem): string {
  if (commands.length === 0) return 'None is known.';
  return table(
    ['when', 'who', 'command', 'what came of it'],
    commands.map(({ at, by, command, outcome }) => [
      time(at),
      markdown(by),
      code(command),
      markdown(outcome),
    ]),
  );
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
