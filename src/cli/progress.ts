import { formatBytes, formatCount, formatSeconds } from '../system/duration.js';
import type { ProgressEvent, ProgressUnit, Report } from '../system/progress.js';
import { noteText } from './output.js';
import { paint, type Terminal } from './terminal.js';

export interface ProgressOptions {
  /** Where lines go: stderr. */
  write(text: string): void;
  /** Redraw lines in place; else plain lines. */
  live: boolean;
  quiet: boolean;
  terminal: Terminal;
  /** Milliseconds of a clock that never goes back. */
  clock(): number;
  warn(message: string): void;
}

/** How often a plain progress line may come, in milliseconds. */
const plainInterval = 5000;
/** How long a task runs before a plain line says that it has started, in milliseconds. */
const plainDelay = 1000;
/** How often the live lines are redrawn, in milliseconds. */
const liveInterval = 100;

const marks = { good: ['green', '✓'], warning: ['yellow', '!'], bad: ['red', '✗'] } as const;

interface Task {
  name: string;
  startedAt: number;
  saidAt: number;
  done: number;
  total: number | undefined;
  unit: ProgressUnit | undefined;
  /** Pending: the plain line that says it has started. */
  announcement?: NodeJS.Timeout;
}

/**
 * Shows the events of long jobs on stderr: a line for each running task, redrawn in place on a
 * terminal; elsewhere one line at the end, one when it takes a while, and then one each five
 * seconds.
 */
export class ProgressView {
  readonly #options: ProgressOptions;
  readonly #tasks = new Map<string, Task>();
  #drawnLines = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  readonly report: Report = (event) => {
    if (event.type === 'warning') {
      this.#options.warn(event.message);
      return;
    }
    if (this.#options.quiet) return;
    if (event.type === 'notice') this.print(event.message);
    else if (event.type === 'started') this.#started(event);
    else if (event.type === 'progress') this.#progress(event);
    else this.#finished(event);
  };

  /** Names of the tasks that run, for the message at an interruption. */
  get running(): string[] {
    return [...this.#tasks.keys()];
  }

  /** Prints a line above the live ones. */
  print(line: string): void {
    this.#erase();
    this.#options.write(noteText(line, this.#options.terminal.color));
    this.#draw(true);
  }

  /** Removes the live lines; the view is silent until the next event. */
  clear(): void {
    this.#erase();
    for (const name of this.running) this.#end(name);
  }

  #started(event: ProgressEvent & { type: 'started' }): void {
    const task = this.#begin(event.task);
    task.total = event.total;
    task.unit = event.unit;
    if (this.#options.live) {
      this.#draw(true);
      return;
    }
    task.announcement = setTimeout(() => this.print(`${event.task} …`), plainDelay);
    task.announcement.unref();
  }

  #progress(event: ProgressEvent & { type: 'progress' }): void {
    const now = this.#options.clock();
    const task = this.#tasks.get(event.task) ?? this.#begin(event.task);
    task.done = event.done;
    task.total = event.total ?? task.total;
    task.unit = event.unit;
    if (this.#options.live) {
      this.#draw(false);
    } else if (now - task.saidAt >= plainInterval) {
      task.saidAt = now;
      this.print(this.#line(task));
    }
  }

  #begin(name: string): Task {
    const now = this.#options.clock();
    const task: Task = {
      name,
      startedAt: now,
      saidAt: now,
      done: 0,
      total: undefined,
      unit: undefined,
    };
    this.#end(name);
    this.#tasks.set(name, task);
    return task;
  }

  #end(name: string): void {
    clearTimeout(this.#tasks.get(name)?.announcement);
    this.#tasks.delete(name);
  }

  #finished(event: ProgressEvent & { type: 'finished' }): void {
    this.#end(event.task);
    const summary = event.summary === undefined ? '' : `: ${event.summary}`;
    const [style, sign] = marks[event.mark ?? 'good'];
    const tick = this.#options.live ? `${paint(this.#options.terminal, style, sign)} ` : '';
    this.print(`${tick}${event.task}${summary} (${formatSeconds(event.seconds)})`);
  }

  #line(task: Task): string {
    const seconds = (this.#options.clock() - task.startedAt) / 1000;
    const unit = task.unit ?? 'rows';
    const parts = [amount(task.done, unit)];
    if (task.total !== undefined && task.total > 0) {
      const share = Math.min(1, task.done / task.total);
      parts[0] = `${parts[0]} of ${amount(task.total, unit)} (${Math.floor(share * 100)} %)`;
    }
    if (seconds >= 0.5 && task.done > 0) {
      const rate = task.done / seconds;
      parts.push(`${amount(Math.round(rate), unit)}/s`);
      if (task.total !== undefined && task.total > task.done) {
        parts.push(`${formatSeconds((task.total - task.done) / rate)} left`);
      }
    }
    return `${task.name}: ${parts.join(', ')}`;
  }

  #erase(): void {
    if (this.#drawnLines === 0) return;
    this.#options.write(`\u001b[${this.#drawnLines}A\r\u001b[J`);
    this.#drawnLines = 0;
  }

  #draw(now: boolean): void {
    if (!this.#options.live || this.#tasks.size === 0) return;
    const clock = this.#options.clock();
    if (!now && clock - this.#drawnAt < liveInterval) return;
    this.#erase();
    this.#drawnAt = clock;
    const width = Math.max(20, this.#options.terminal.width - 1);
    const lines = [...this.#tasks.values()].map((task) => {
      const line = task.done > 0 ? this.#line(task) : `${task.name} …`;
      return line.length > width ? `${line.slice(0, width - 1)}…` : line;
    });
    this.#options.write(noteText(lines.join('\n'), false));
    this.#drawnLines = lines.length;
  }
}

const amount = (count: number, unit: ProgressUnit): string =>
  unit === 'bytes' ? formatBytes(count) : `${formatCount(count)} ${unit}`;
