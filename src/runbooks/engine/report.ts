import type { ExitCode, OperatorError } from '../../system/errors.js';
import type { Branch, StepResult } from './definition.js';
import type { RunState } from './events.js';
import type { Plan } from './plan.js';
import type { ReportFiles } from './report-files.js';

/** How a run ended. */
export interface RunReport {
  runId: string;
  runbook: string;
  state: RunState;
  exitCode: ExitCode;
  /** Why it did not succeed. */
  reason: string | null;
  /** The same as an error, with its code and hint; null after success. */
  error: OperatorError | null;
  /** What a run that succeeded had to leave, for a person; its exit code is 4. */
  remains: string | null;
  /** Whether an act began: something may have been changed. */
  changed: boolean;
  steps: StepResult[];
  plan: Plan | null;
  planHash: string | null;
  /** Where the evidence leads next. */
  branch: Branch | null;
  /** What a destructive run left for the record. */
  reportFiles: ReportFiles | null;
  /** When a run that waits for a time may go on; ISO 8601. */
  due: string | null;
  /** The command that goes on with a run that has not ended. */
  resume: string | null;
}
