import type { Inputs, Runbook, Step, StepContext, StepResult } from './definition.js';
import type { RunEvent } from './events.js';
import type { RunMemory } from './memory.js';
import type { RunOptions } from './options.js';

type AnyStep = Step<Inputs>;

/** How a step ended. */
export type StepOutcome = Omit<StepResult, 'id' | 'kind' | 'seconds'>;

/** What a step needs of its run. */
export interface StepHost {
  runbook: Runbook;
  input: Inputs;
  /** Hash of the definition. */
  definition: string;
  memory: RunMemory;
  options: RunOptions;
  record(event: RunEvent): Promise<unknown>;
  context(step: AnyStep, signal: AbortSignal, access: 'read' | 'write'): StepContext<Inputs>;
  resumeCommand: string;
}
