import type { Question } from '../../runbooks/engine/answers.js';
import { checkForm, starts } from '../state/form.js';
import { type Model, shown } from '../state/model.js';
import { outputOf } from '../state/output.js';
import { choicesOf, promptText } from '../state/overlays.js';
import type { RunView } from '../state/run.js';
import { clean } from '../text.js';
import { instructionOf, listView } from '../view/layout.js';
import { type Line, textOf } from '../view/line.js';
import { reportLines } from '../view/report.js';

/** How many rows of a list, or targets of a plan, are said at once. */
const mostRows = 30;

/** Nothing is wrapped for a screen: the reader, or the terminal, does that. */
const unbounded = 10_000;

/**
 * What is new since the last time, as lines in the order in which they are to be heard. Signs are
 * left out: every state has a word.
 */
export function announce(before: Model | undefined, now: Model): string[] {
  return [
    ...environmentNews(before, now),
    ...noticeNews(before, now),
    ...screenNews(before, now),
    ...runNews(before, now),
    ...overlayNews(before, now),
  ].map((line) => clean(line).trimEnd());
}

function environmentNews(before: Model | undefined, { stock, readOnly }: Model): string[] {
  const { value } = stock.environment;
  const lines: string[] = [];
  if (value !== undefined && value !== before?.stock.environment.value) {
    lines.push(`Connected to: ${value.name}. ${value.detail}`);
  }
  if (readOnly && before?.readOnly !== true) lines.push('Read-only: nothing is changed.');
  return lines;
}

const noticeNews = (before: Model | undefined, { notice }: Model): string[] =>
  notice === undefined || notice === before?.notice ? [] : [notice.text];

/** The screen when it is another one, and its list when that is. */
function screenNews(before: Model | undefined, now: Model): string[] {
  const screen = shown(now);
  const last = before === undefined ? undefined : shown(before);
  if (screen.name === 'runbook') {
    const { runbook, form, browser } = screen;
    if (last?.name !== 'runbook') {
      return [
        '',
        `Runbook ${runbook.id}: ${runbook.title}. ${runbook.summary}`,
        ...runbook.steps.map(({ title, why }, index) => `Step ${index + 1}: ${title} ${why}`),
        'Type start for its inputs, or back.',
      ];
    }
    if (browser.focus !== 'form') return [];
    const moved = last.browser.focus !== 'form' || last.form.cursor !== form.cursor;
    return moved ? formLines(screen) : [];
  }
  const view = listView(now);
  if (view === undefined) return [];
  const rows = view.table.rows.map(({ cells }) => rowText(cells));
  const old = before === undefined ? undefined : listView(before)?.table;
  const same =
    last?.name === screen.name &&
    old !== undefined &&
    old.rows.length === rows.length &&
    old.rows.every(({ cells }, index) => rowText(cells) === rows[index]);
  if (same) return [];
  const title = screen.name === 'home' ? `Home, ${screen.panel}` : screen.name;
  const more = rows.length - mostRows;
  return [
    '',
    `${title}: ${rows.length === 0 ? view.table.empty : `${rows.length} lines. Type a number, or / and words to find.`}`,
    ...rows.slice(0, mostRows).map((row, index) => `${index + 1}. ${row}`),
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
}

/** Times are left out: they change without anything new. */
const rowText = (cells: Line): string =>
  cells
    .map(({ text }) => withoutSign(text))
    .filter((text) => text !== '' && !text.endsWith(' ago'))
    .join(', ');

const withoutSign = (text: string): string => text.replace(/^[✓✗!?●○–] /, '');

function formLines({
  runbook,
  form,
}: Extract<ReturnType<typeof shown>, { name: 'runbook' }>): string[] {
  const field = form.fields[form.cursor];
  if (field === undefined) {
    const problems = [...checkForm(runbook, form).problems].map(
      ([name, text]) => `${name}: ${text}`,
    );
    return [...problems, `Type ${starts.join(' or ')}: look changes nothing.`];
  }
  const { name, type, required, description, text } = field;
  const usual = required ? 'required' : `default ${JSON.stringify(field.default ?? null)}`;
  const has = text.value === '' ? '' : ` Now: ${text.value}.`;
  return [
    `Input ${name} (${type}, ${usual}): ${description}${has} Type a value, or an empty line.`,
  ];
}

function runNews(before: Model | undefined, now: Model): string[] {
  const { run } = now;
  if (run === undefined) return [];
  const old = before?.run?.startedAt === run.startedAt ? before.run : undefined;
  const fresh = run.output.total - (old?.output.total ?? 0);
  const lines = [
    ...(fresh > 0 ? outputOf(run.output).slice(-fresh) : []).map(
      ({ step, text }) => `${step}: ${text}`,
    ),
    ...run.log.slice(old === undefined ? 0 : old.log.length).map(({ text }) => text),
  ];
  if (run.question !== undefined && now.answer?.armed === true && before?.answer?.armed !== true) {
    lines.push('', ...questionLines(run.question));
  }
  if (now.answer?.problem !== undefined && now.answer.problem !== before?.answer?.problem) {
    lines.push(now.answer.problem);
  }
  if (hasEnded(run) && (old === undefined || !hasEnded(old))) {
    lines.push(
      '',
      ...reportLines(run, unbounded, now.stock.related.value).map((line) =>
        withoutSign(textOf(line)),
      ),
    );
  }
  return lines;
}

/** The report is there, or what came in its place. */
const hasEnded = ({ report, failure }: RunView): boolean =>
  report !== undefined || failure !== undefined;

function questionLines(question: Question): string[] {
  if (question.type === 'manual') return [question.instruction, instructionOf(question)];
  const { targets, notes } = question.plan;
  const more = targets.length - mostRows;
  return [
    question.text,
    ...targets
      .slice(0, mostRows)
      .map(({ action, type, name }, index) => `${index + 1}. ${action}: ${type} ${name}`),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...notes,
    instructionOf(question),
  ];
}

function overlayNews(before: Model | undefined, now: Model): string[] {
  const { overlay } = now;
  if (overlay === undefined) return [];
  if (overlay.name === 'prompt') {
    if (before?.overlay?.name !== 'prompt') return [promptText(overlay.purpose)];
    return overlay.problem === undefined || overlay.problem === before.overlay.problem
      ? []
      : [overlay.problem];
  }
  if (before?.overlay?.name === overlay.name) return [];
  return choicesOf(now).map(({ name, description }) => `${name}: ${description}`);
}
