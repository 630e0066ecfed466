import { formatCount } from '../../system/duration.js';
import type { Report } from '../../system/progress.js';
import type { TablePlan } from './plan.js';

const millisecondsPerReport = 200;

/** Reports how a table's extraction goes, over all connections that work on it. */
export class TableProgress {
  readonly #task: string;
  readonly #total: number | undefined;
  readonly #report: Report;
  #started: number | undefined;
  #reported = 0;
  #rows = 0;
  #pieces: number;

  constructor({ table }: TablePlan, pieces: number, report: Report) {
    this.#task = `extract ${table.name}`;
    this.#total = table.estimatedRows;
    this.#pieces = pieces;
    this.#report = report;
  }

  get rows(): number {
    return this.#rows;
  }

  /** The first piece of the table is about to be sent. */
  start(): void {
    if (this.#started !== undefined) return;
    this.#started = performance.now();
    this.#reported = this.#started;
    this.#report({ type: 'started', task: this.#task, unit: 'rows', ...this.#estimate() });
  }

  add(rows: number): void {
    this.#rows += rows;
    const now = performance.now();
    if (now - this.#reported < millisecondsPerReport) return;
    this.#reported = now;
    this.#report({
      type: 'progress',
      task: this.#task,
      done: this.#rows,
      unit: 'rows',
      ...this.#estimate(),
    });
  }

  /**
   * A piece is complete.
   *
   * @returns seconds that the table took, when that was its last piece
   */
  finishPiece(): number | undefined {
    this.#pieces -= 1;
    if (this.#pieces > 0) return undefined;
    const seconds = (performance.now() - (this.#started ?? performance.now())) / 1000;
    this.#report({
      type: 'finished',
      task: this.#task,
      seconds,
      summary: `${formatCount(this.#rows)} rows`,
    });
    return seconds;
  }

  /** The planner's estimate, unless it has proved too low. */
  #estimate(): { total?: number } {
    return this.#total === undefined || this.#total < this.#rows ? {} : { total: this.#total };
  }
}
