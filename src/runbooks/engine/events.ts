import type { Owner } from '../../system/owner.js';
import type { JsonObject, Step, StepResult } from './definition.js';
import type { Plan } from './plan.js';

/** States of a run. `interrupted` is found afterwards: the process is gone and the end is missing. */
export type RunState =
  | 'running'
  | 'waiting'
  | 'succeeded'
  | 'failed'
  | 'refused'
  | 'aborted'
  | 'interrupted';

type Kind = Step<unknown>['kind'];

/** What happens in a run. Everything but `output` and `progress` goes to the journal. */
export type RunEvent =
  | {
      type: 'run.started';
      runId: string;
      runbook: string;
      title: string;
      /** Of the definition the run began with; a run does not resume into an edited one. */
      definition: string;
      input: JsonObject;
      by: Owner;
      dryRun: boolean;
      /** An incident that the run belongs to. */
      incident: string | null;
      tool: string;
    }
  | { type: 'run.resumed'; by: Owner }
  | { type: 'warning'; step: string | null; text: string }
  | { type: 'lease.taken-over'; target: string; from: string }
  | { type: 'step.started'; step: string; kind: Kind; attempt: number }
  | { type: 'output'; step: string; text: string }
  | {
      type: 'progress';
      step: string;
      done: number;
      total: number | null;
      unit: 'rows' | 'bytes' | 'files';
    }
  /** The attempt failed; the next one begins after a pause. */
  | { type: 'step.retrying'; step: string; attempt: number; reason: string; seconds: number }
  /** The last entry before an act touches anything: from here on its effect must be probed. */
  | { type: 'act.started'; step: string }
  /** The last entry before an act is taken back: from here on it may be half there. */
  | { type: 'act.undoing'; step: string }
  | { type: 'act.undone'; step: string }
  | { type: 'plan.made'; step: string; hash: string; plan: Plan }
  | { type: 'approval.given'; step: string; by: string; how: string; plan: string | null }
  | { type: 'approval.declined'; step: string; by: string }
  | { type: 'note'; step: string | null; by: string; text: string }
  | { type: 'manual.recorded'; step: string; by: string; said: string }
  | { type: 'step.finished'; result: StepResult }
  | {
      type: 'run.finished';
      state: RunState;
      reason: string | null;
      /** When a run that waits for a time may go on; ISO 8601. */
      due?: string;
    };

/** An event as it was written: numbered, dated (ISO 8601 UTC) and chained to the one before. */
export interface JournalEntry {
  seq: number;
  at: string;
  event: RunEvent;
  /** Hash of the entry before; 64 zeros for the first. */
  prev: string;
  /** SHA-256 over seq, at, event and prev. */
  hash: string;
}
