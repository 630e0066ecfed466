import { checkForm, starts } from '../state/form.js';
import { type ListScreen, type Model, type Screen, shown } from '../state/model.js';
import { glanceRows } from '../view/glance.js';
import { listView } from '../view/layout.js';
import { type Line, textOf } from '../view/line.js';
import {
  type BrowserScreen,
  hasBrowser,
  panelName,
  panelView,
  stepIndex,
  stepsShown,
} from '../view/panels.js';
import type { Row } from '../view/table.js';
import { stepSign } from '../view/words.js';

/** How many rows of a list, or targets of a plan, are said at once. */
export const mostRows = 30;

/** Nothing is wrapped for a screen: the reader, or the terminal, does that. */
export const unbounded = 10_000;

/** Signs are left out: every state has a word. */
export const withoutSign = (text: string): string => text.replace(/^[✓✗!?●○–] /, '');

/** The screen when it is another one; else what of it has changed. */
export function screenNews(before: Model | undefined, now: Model): string[] {
  const screen = shown(now);
  const last = before === undefined ? undefined : shown(before);
  if (screen.name === 'runbook' && last?.name !== 'runbook') return runbookLines(screen);
  if (screen.name === 'runbook' && screen.browser.focus === 'form') {
    const moved =
      last?.name !== 'runbook' ||
      last.browser.focus !== 'form' ||
      last.form.cursor !== screen.form.cursor;
    return moved ? formLines(screen) : [];
  }
  if (hasBrowser(screen)) return browserNews(before, now, screen);
  return [...(screen.name === 'home' ? glanceNews(before, now) : []), ...listNews(before, now)];
}

function runbookLines({ runbook }: Extract<Screen, { name: 'runbook' }>): string[] {
  return [
    '',
    `Runbook ${runbook.id}: ${runbook.title}. ${runbook.summary}`,
    ...runbook.steps.map(({ title, why }, index) => `Step ${index + 1}: ${title} ${why}`),
    'Type start for its inputs, the number of a step, or back.',
  ];
}

/** How the system is, when it was looked at and something is otherwise than before. */
function glanceNews(before: Model | undefined, now: Model): string[] {
  const rows = glanceRows(now);
  if (before !== undefined && shown(before).name === 'home') {
    const old = glanceRows({ ...before, now: now.now });
    if (sameStates(old, rows)) return [];
  }
  return rows.length === 0 ? [] : ['', 'The system:', ...rows.map(rowText)];
}

/** The list when it is another one; of the same one only the rows that changed. */
function listNews(before: Model | undefined, now: Model): string[] {
  const screen = shown(now);
  const view = listView(now);
  if (view === undefined) return [];
  const { rows, empty } = view.table;
  const last = before === undefined ? undefined : shown(before);
  // As of the same moment: time that goes by is no news.
  const old = before === undefined ? undefined : listView({ ...before, now: now.now });
  const same =
    last?.name === screen.name &&
    panelOf(last) === panelOf(screen) &&
    old?.list.filter === view.list.filter &&
    old.table.rows.length === rows.length &&
    (rows.length > 0 || old.table.empty === empty);
  if (same) {
    const states = screen.name === 'health' || panelOf(screen) === 'system';
    return rows
      .map((row, index) => ({ row, index }))
      .filter(({ row, index }) => !isSame(old.table.rows[index], row, states))
      .slice(0, mostRows)
      .map(({ row, index }) => `Now ${index + 1}. ${rowText(row)}`);
  }
  const title = screen.name === 'home' ? `Home, ${screen.panel}` : (screen as ListScreen).name;
  const more = rows.length - mostRows;
  return [
    '',
    `${title}: ${rows.length === 0 ? empty : `${rows.length === 1 ? '1 line' : `${rows.length} lines`}. Type a number, or / and words to find.`}`,
    ...rows.slice(0, mostRows).map((row, index) => `${index + 1}. ${rowText(row)}`),
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
}

const panelOf = (screen: Screen): string | undefined =>
  screen.name === 'home' ? screen.panel : undefined;

/** Of what is looked at again and again only the state counts: its figures are never the same. */
const isSame = (old: Row | undefined, row: Row, states: boolean): boolean =>
  old !== undefined && (states ? statesOf(old) === statesOf(row) : rowText(old) === rowText(row));

const statesOf = ({ cells }: Row): string =>
  cells
    .slice(0, 2)
    .map(({ text }) => text)
    .join(' ');

const sameStates = (old: readonly Row[], rows: readonly Row[]): boolean =>
  old.length === rows.length && rows.every((row, index) => isSame(old[index], row, true));

const rowText = ({ cells }: Row): string => cellsText(cells);

const cellsText = (cells: Line): string =>
  cells
    .map(({ text }) => withoutSign(text))
    .filter((text) => text !== '')
    .join(', ');

/** The step that was gone to, or the panel that was asked for. */
function browserNews(before: Model | undefined, now: Model, screen: BrowserScreen): string[] {
  const last = before === undefined ? undefined : shown(before);
  if (before === undefined || last === undefined || !hasBrowser(last)) return [];
  const { run } = now;
  // What the program shows by itself is said by the run.
  if (before.run?.question !== run?.question || before.run?.phase !== run?.phase) return [];
  const { step, panel } = screen.browser;
  if (step !== 'current' && step !== last.browser.step) return stepLines(now, screen);
  if (panel === last.browser.panel) return [];
  const { head, lines } = panelView(now, screen, unbounded);
  return [
    '',
    `${panelName[panel]}:`,
    ...[...(head === undefined ? [] : [head]), ...lines]
      .map((line) => withoutSign(textOf(line)))
      .filter((text) => text !== ''),
  ];
}

function stepLines(model: Model, screen: BrowserScreen): string[] {
  const at = stepIndex(model, screen);
  const step = stepsShown(model, screen)[at];
  if (step === undefined) return [];
  return [
    '',
    `Step ${at + 1}: ${step.title} ${stepSign(step).word}. ${step.why}`,
    ...(step.result === undefined ? [] : [step.result.summary]),
    `By hand: ${step.manual}`,
  ];
}

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
