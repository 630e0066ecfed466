/** What a long job reports while it works. Faces decide how to show it; domains only emit it. */
export type ProgressEvent =
  | { type: 'started'; task: string; total?: number; unit?: ProgressUnit }
  | {
      type: 'progress';
      task: string;
      done: number;
      /** Same unit as `done`; absent while unknown. */
      total?: number;
      unit: ProgressUnit;
    }
  /** `mark`: how the end looks where it was no plain success. */
  | { type: 'finished'; task: string; seconds: number; summary?: string; mark?: 'warning' | 'bad' }
  | { type: 'notice'; message: string }
  | { type: 'warning'; message: string };

export type ProgressUnit = 'rows' | 'bytes' | 'files';

export type Report = (event: ProgressEvent) => void;

/** What every long domain function takes beside its own arguments. */
export interface JobContext {
  report: Report;
  /** Fires at the first Ctrl-C; the job stops at its next safe point and leaves nothing half-written. */
  signal: AbortSignal;
  now: () => Date;
}
