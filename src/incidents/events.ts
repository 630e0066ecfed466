import type { Severity } from './severity.js';

export type Status = 'open' | 'acknowledged' | 'paused' | 'resolved' | 'closed' | 'merged';
export const statuses: readonly Status[] = [
  'open',
  'acknowledged',
  'paused',
  'resolved',
  'closed',
  'merged',
];

export type Source = 'person' | 'pipeline' | 'runbook' | 'health' | 'hand';

/** What an incident takes away from people; availability is counted by it. */
export type Service = 'database' | 'etl';

/** A runbook with its inputs. */
export interface CureOfIncident {
  id: string;
  input: Record<string, unknown>;
}

/** What was seen: by a person, a failed run, a check. */
export interface Occurrence {
  source: Source;
  summary: string;
  severity: Severity;
  /** What tells causes apart; absent for what a person opens. */
  cause?: string;
  service?: Service;
  batchId?: string;
  /** Of the pipeline or of a runbook. */
  runId?: string;
  /** The check of `health` that found it. */
  check?: string;
  code?: string;
  runbook?: CureOfIncident;
  /** A command that cures where no runbook does. */
  next?: string;
  evidence?: Record<string, unknown>;
}

export const checklistItems = [
  'symptom-gone',
  'quality-tests',
  'no-new-alert',
  'logs',
  'communicated',
] as const;
export type ChecklistItem = (typeof checklistItems)[number];

export interface ActionItem {
  item: number;
  text: string;
  owner: string;
  /** `2026-12-31`. */
  due: string;
}

export type IncidentEvent =
  | ({
      type: 'opened' /** The same everywhere, whatever number the ticket gets. */;
      uid: string;
    } & Occurrence)
  /** Written into the table by hand. */
  | { type: 'recorded'; columns: Record<string, unknown> }
  | { type: 'edited'; columns: Record<string, unknown> }
  /** The same cause again while the incident goes on. */
  | ({ type: 'occurred' } & Occurrence)
  /** A check no longer finds what it found. */
  | { type: 'recovered'; check: string; summary: string }
  | { type: 'acknowledged' }
  | { type: 'assigned'; owner: string }
  | { type: 'noted'; text: string; from?: string }
  | { type: 'paused'; reason: string }
  | { type: 'continued' }
  | { type: 'severity.changed'; severity: Severity; reason: string }
  | { type: 'resolved'; rootCause?: string; action?: string; from?: string }
  | {
      type: 'closed';
      checklist: readonly ChecklistItem[];
      rootCause?: string;
      action?: string;
    }
  | ({ type: 'reopened'; reason: string } & Partial<Occurrence>)
  | { type: 'merged'; into: number }
  | { type: 'absorbed'; from: number; summary: string }
  | {
      type: 'escalated';
      /** Position in the chain; 0 is who reports. */
      step: number;
      role: string;
      contacts: readonly string[];
      reason: EscalationReason;
    }
  | { type: 'status'; text: string; window: number }
  | { type: 'review.due'; times: number; days: number }
  | { type: 'runbook'; runId: string; runbook: string; state: string; summary: string }
  | ({ type: 'action.added' } & ActionItem)
  | { type: 'action.done'; item: number }
  | { type: 'linked'; tracker: string; id: string; url: string | null };

/** Why the next of the chain was called. */
export type EscalationReason = 'opened' | 'unacknowledged' | 'time' | 'resolve' | 'person';

export interface LoggedEvent {
  seq: number;
  at: Date;
  /** Who did it: a person, or `reviewops` itself. */
  by: string;
  event: IncidentEvent;
}

/** Who acts when nobody does. */
export const system = 'reviewops';
