/** Where somebody is in a list, and which part of it they want to see. */
export interface ListState {
  cursor: number;
  filter: string;
}

export const emptyList: ListState = { cursor: 0, filter: '' };

export type Move = 'up' | 'down' | 'page-up' | 'page-down' | 'top' | 'bottom';

/** The position after a move among `count` things, `page` of which are seen at once. */
export function moved(position: number, move: Move, count: number, page: number): number {
  const last = Math.max(0, count - 1);
  const next = {
    up: position - 1,
    down: position + 1,
    'page-up': position - page,
    'page-down': position + page,
    top: 0,
    bottom: last,
  }[move];
  return Math.min(Math.max(0, next), last);
}

/** The first of the rows that are seen, such that the cursor is among them and in the middle. */
export function windowStart(cursor: number, count: number, height: number): number {
  const middle = cursor - Math.floor(height / 2);
  return Math.min(Math.max(0, middle), Math.max(0, count - height));
}

/** Whether a row holds every word of the filter, in any order and case. */
export function matches(filter: string, cells: readonly string[]): boolean {
  const text = cells.join(' ').toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
