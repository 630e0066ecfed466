import type { Plan } from '../../runbooks/engine/plan.js';
import { matches } from '../state/list.js';
import type { RunView } from '../state/run.js';
import { pad, widthOf } from '../text.js';
import { blank, type Line, line, marked, span, wrapped } from './line.js';
import { jsonText } from './words.js';

/** A plan as it is read: totals above, then why, then every target. */
export interface PlanView {
  head: Line;
  lines: readonly Line[];
}

interface Cells {
  action: string;
  target: string;
  state: string;
}

interface Widths {
  action: number;
  target: number;
  state: number;
}

interface Measured {
  rows: readonly Cells[];
  widths: Widths;
}

const gap = 2;
const titles: Cells = { action: 'what is done', target: 'to what', state: 'as it is now' };

/** A plan may have many thousand targets, and every key asks for them several times. */
const measured = new WeakMap<Plan, Measured>();
let drawn: { plan: Plan; query: string; width: number; view: PlanView } | undefined;

/** The plan in lines of at most `width` columns; with a query only the targets that hold it. */
export function planLines(
  { plan, hash }: NonNullable<RunView['plan']>,
  query: string,
  width: number,
): PlanView {
  if (drawn?.plan === plan && drawn.query === query && drawn.width === width) return drawn.view;
  const { rows, widths } = measure(plan);
  const shown = rows.filter((cells) => matches(query, Object.values(cells)));
  const fits = widths.action + widths.target + widths.state + 2 * gap <= width;
  const draw = (cells: Cells) => (fits ? [side(cells, widths)] : stacked(cells, widths, width));
  const targets = rows.length === 1 ? '1 target' : `${rows.length} targets`;
  const totals = Object.entries(plan.totals).map(([name, value]) => `${name} ${jsonText(value)}`);
  const view: PlanView = {
    head: [
      span(
        [query === '' ? targets : `${shown.length} of ${targets}`, ...totals].join(', '),
        'title',
      ),
      span(`  plan ${hash.slice(0, 12)}`, 'dim'),
    ],
    lines: [
      ...wrapped(plan.summary, width),
      ...plan.notes.flatMap((note) => wrapped(`- ${note}`, width, 'caution')),
      blank,
      ...(rows.length > 0 && fits
        ? [
            line(
              side(titles, widths)
                .map(({ text }) => text)
                .join(''),
              'dim',
            ),
          ]
        : []),
      ...shown.flatMap((cells) => draw(cells).map((one) => marked(one, query))),
      ...(shown.length === 0 && query !== '' ? [line('No target holds that.', 'dim')] : []),
    ],
  };
  drawn = { plan, query, width, view };
  return view;
}

function measure(plan: Plan): Measured {
  const known = measured.get(plan);
  if (known !== undefined) return known;
  const rows = plan.targets.map(({ action, type, name, state }) => ({
    action,
    target: `${type} ${name}`,
    state: Object.entries(state)
      .map(([key, value]) => `${key} ${jsonText(value)}`)
      .join(', '),
  }));
  const widest = (column: keyof Cells) =>
    rows.reduce((most, cells) => Math.max(most, widthOf(cells[column])), widthOf(titles[column]));
  const made = {
    rows,
    widths: { action: widest('action'), target: widest('target'), state: widest('state') },
  };
  measured.set(plan, made);
  return made;
}

const side = ({ action, target, state }: Cells, widths: Widths): Line => [
  span(pad(action, widths.action)),
  span(' '.repeat(gap)),
  span(pad(target, widths.target), 'accent'),
  span(' '.repeat(gap)),
  span(state, 'dim'),
];

/** Where the columns have no room beside each other, nothing is cut: a target takes more lines. */
function stacked({ action, target, state }: Cells, widths: Widths, width: number): Line[] {
  const first =
    widths.action + gap + widths.target <= width
      ? [[span(pad(action, widths.action)), span(' '.repeat(gap)), span(target, 'accent')]]
      : [...wrapped(action, width), ...wrapped(target, width, 'accent', 2)];
  return [...first, ...(state === '' ? [] : wrapped(state, width, 'dim', 4))];
}
