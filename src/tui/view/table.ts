import type { Inputs } from '../../runbooks/engine/definition.js';
import { matches } from '../state/list.js';
import type { Loaded } from '../state/model.js';
import type { Span } from './line.js';

export interface Column {
  title: string;
  /** Columns of the screen; `rest` shares what is left. */
  width: number | 'rest';
  /** How many columns the rest keeps before the last columns are left out for it. */
  least?: number;
  align?: 'right';
}

export interface Row {
  cells: readonly Span[];
  /** What Enter does with it. */
  opens?: Target;
  /** What its cells may have no room for. */
  says?: string;
  /** What `y` copies. */
  copies?: string | undefined;
}

export type Target =
  | { to: 'runbook'; id: string; input: Inputs; incident?: number }
  | { to: 'incidents' }
  | { to: 'incident'; id: number }
  | { to: 'run'; runId: string; resumable: boolean }
  | { to: 'batch'; batchId: string };

export interface Table {
  columns: readonly Column[];
  rows: readonly Row[];
  /** Said in place of rows. */
  empty: string;
}

/** What is said while there are no rows. */
export const waitingFor = ({ loading, error }: Loaded<unknown>, none: string): string =>
  error ?? (loading ? 'Looking …' : none);

/** The rows that hold every word of the filter. */
export const filtered = (rows: readonly Row[], filter: string): Row[] =>
  rows.filter(({ cells }) =>
    matches(
      filter,
      cells.map(({ text }) => text),
    ),
  );
