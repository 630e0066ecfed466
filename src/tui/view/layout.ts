import type { Question } from '../../runbooks/engine/answers.js';
import type { ListState } from '../state/list.js';
import {
  type HomePanel,
  type ListScreen,
  type Model,
  type Screen,
  type Size,
  shown,
} from '../state/model.js';
import { cleanLines, wrap } from '../text.js';
import { glanceHeight } from './glance.js';
import { type BrowserScreen, type PanelView, panelView, questionText } from './panels.js';
import type { Table } from './table.js';
import { homeTable, listTable } from './tables.js';

/** Lines above and below what a screen shows: header, status, footer. */
const chrome = 3;

export const bodyRows = ({ rows }: Size): number => rows - chrome;

/** Lines of a list beside its rows: tabs or title, filter, heads. */
const listChrome = 3;

export interface ListView {
  table: Table;
  list: ListState;
  /** Rows in sight. */
  height: number;
  /** The screen with the list changed. */
  put(list: ListState): Screen;
}

/** The list that the keys move in; undefined on screens without one. */
export function listView(model: Model): ListView | undefined {
  const screen = shown(model);
  const height = bodyRows(model.size) - listChrome;
  if (screen.name === 'home') return homeList(model, screen, height);
  if (!('list' in screen)) return undefined;
  const put = (list: ListState): ListScreen => ({ ...screen, list });
  const table = listTable(model, screen);
  return { table, list: screen.list, height: height - detailRows(screen), put };
}

/** Lines below the events of a run, for all that the chosen one holds. */
export const detailRows = ({ name }: ListScreen): number => (name === 'journal' ? 8 : 0);

function homeList(
  model: Model,
  screen: Extract<Screen, { name: 'home' }>,
  height: number,
): ListView {
  const { panel, lists } = screen;
  const list = lists[panel];
  return {
    table: homeTable(model, panel, list.filter),
    list,
    height: height - glanceRows(model),
    put: (changed) => ({ ...screen, lists: { ...lists, [panel]: changed } }),
  };
}

/** How many lines the system takes on the first screen, where it is not the chosen panel. */
export function glanceRows(model: Model): number {
  const screen = shown(model);
  if (screen.name !== 'home' || isGlance(screen.panel)) return 0;
  return Math.min(glanceHeight(model), Math.floor(bodyRows(model.size) / 2) - 1) + 1;
}

const isGlance = (panel: HomePanel): boolean => panel === 'system';

export interface BrowserLayout {
  left: number;
  right: number;
  /** Rows of the panel's lines, below tabs and head. */
  panelRows: number;
  stepRows: number;
  question: readonly string[];
  view: PanelView;
}

const gutter = 3;

/** How the two sides of a runbook share the screen. */
export function browserLayout(model: Model, screen: BrowserScreen): BrowserLayout {
  const { columns } = model.size;
  const left = Math.min(52, Math.max(30, Math.floor(columns * 0.38)));
  const right = columns - left - gutter;
  const asked = screen.name === 'run' ? model.run?.question : undefined;
  const question = asked === undefined ? [] : questionLines(asked, right);
  const rows = bodyRows(model.size);
  const view = panelView(model, screen, right);
  // Tabs and a line below them; the question with its own line, its instruction and its answer.
  const used =
    2 + (view.head === undefined ? 0 : 1) + (asked === undefined ? 0 : question.length + 3);
  return { left, right, panelRows: Math.max(1, rows - used), stepRows: rows - 2, question, view };
}

const mostQuestion = 5;

/** The beginning of what is asked; the first panel has all of it. */
export function questionLines(question: Question, width: number): string[] {
  const lines = cleanLines(questionText(question)).flatMap((part) => wrap(part, width));
  if (lines.length <= mostQuestion) return lines;
  return [...lines.slice(0, mostQuestion - 1), '… (1 shows all of it)'];
}

/** What has to be typed, said in full. */
export function instructionOf(question: Question): string {
  if (question.type === 'manual') return 'Say what you did; or later.';
  return `Type ${expectedAnswer(question)} to approve; or no; or later.`;
}

/** What a person types to approve: yes, or the name and the count of what will be destroyed. */
export const expectedAnswer = ({
  risk,
  name,
  count,
}: Extract<Question, { type: 'approve' }>): string =>
  risk === 'destroy' ? `${name} ${count}` : 'yes';

/** The first line in sight of a panel. */
export function panelStart({ view, panelRows }: BrowserLayout, offset: number | 'end'): number {
  const last = Math.max(0, view.lines.length - panelRows);
  return offset === 'end' ? last : Math.min(offset, last);
}
