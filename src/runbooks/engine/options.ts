import type { Ask } from './answers.js';
import type { RunControls } from './controls.js';
import type { RunbookServices } from './definition.js';

export interface RunOptions {
  services: RunbookServices;
  ask: Ask;
  /** Fires at the first Ctrl-C: the run stops at its next safe point. */
  signal: AbortSignal;
  /** Checks and plan only. */
  dryRun?: boolean;
  /** Refuses every runbook that changes something. */
  readOnly?: boolean;
  incident?: string;
  /** Notes, and steps to leave out, while the run goes on. */
  controls?: RunControls;
}
