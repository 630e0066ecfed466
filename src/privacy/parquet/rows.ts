import type { Leaf } from './file.js';
import type { PageParts } from './open-page.js';

/** What becomes of some rows of a row group. */
export interface RowEdit {
  /** 1 for each row of the group that is the person's. */
  gone: Uint8Array;
  /** The rows go, or their values in a column become null. */
  how: 'delete' | 'empty';
}

/** What stays of a page. */
export interface Selection {
  /** Whether anything of it is the person's. */
  hit: boolean;
  count: number;
  /** Rows that begin in it. */
  rows: number;
  nulls: number;
  /** How many more nulls there are than before. */
  moreNulls: number;
  repetition: Uint32Array | undefined;
  definition: Uint32Array | undefined;
  /** 1 for each value that stays; nulls have none. */
  keep: Uint8Array;
  /** The row at the end of the page. */
  row: number;
}

/**
 * Follows the rows through a page. Lists have several entries a row, and a row may begin in the
 * page before.
 *
 * @param row the row at the end of the page before; -1 for none
 */
export function selectRows(parts: PageParts, leaf: Leaf, edit: RowEdit, row: number): Selection {
  const { count, repetition, definition } = parts;
  const full = leaf.maxDefinition;
  const keptRepetition = new Uint32Array(repetition === undefined ? 0 : count);
  const keptDefinition = new Uint32Array(definition === undefined ? 0 : count);
  const keep = new Uint8Array(count);
  let [at, values, kept, rows, nullsBefore, nulls] = [row, 0, 0, 0, 0, 0];
  let hit = false;
  for (let index = 0; index < count; index += 1) {
    const again = repetition === undefined ? 0 : (repetition[index] ?? 0);
    const level = definition === undefined ? full : (definition[index] ?? 0);
    if (again === 0) at += 1;
    const gone = edit.gone[at] === 1;
    hit ||= gone;
    if (level === full) {
      keep[values] = gone ? 0 : 1;
      values += 1;
    } else nullsBefore += 1;
    if (gone && (edit.how === 'delete' || again !== 0)) continue;
    const now = gone ? 0 : level;
    if (again === 0) rows += 1;
    if (now !== full) nulls += 1;
    keptRepetition[kept] = again;
    keptDefinition[kept] = now;
    kept += 1;
  }
  return {
    hit,
    count: kept,
    rows,
    nulls,
    moreNulls: nulls - nullsBefore,
    repetition: repetition === undefined ? undefined : keptRepetition.subarray(0, kept),
    definition: definition === undefined ? undefined : keptDefinition.subarray(0, kept),
    keep: keep.subarray(0, values),
    row: at,
  };
}
