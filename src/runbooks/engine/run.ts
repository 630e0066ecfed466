import { ExitCode, errorMessage, throwIfAborted } from '../../system/errors.js';
import { describeOwner } from '../../system/owner.js';
import { redact } from '../../system/redact.js';
import { Channel } from './channel.js';
import type { Branch, Inputs, Runbook, Step, StepContext, StepResult } from './definition.js';
import { asEnding, asStop, type Ending } from './ending.js';
import type { JournalEntry, RunEvent } from './events.js';
import type { Journal } from './journal.js';
import { emptyMemory, keepProven, type RunMemory, remember } from './memory.js';
import type { RunOptions } from './options.js';
import type { RunReport } from './report.js';
import { type ReportFiles, writeReport } from './report-files.js';
import type { RestoredRun } from './restore.js';
import { registerBornSecret } from './secrets.js';
import { performStep } from './step.js';
import type { StepHost } from './step-host.js';
import { type HeldTargets, holdTargets } from './targets.js';
import { undoActs } from './undo.js';

export interface RunParts {
  runId: string;
  journal: Journal;
  definition: string;
  restored?: RestoredRun;
  /** Takes back what was done instead of going on. */
  undo?: boolean;
}

type AnyStep = Step<Inputs>;

/** One run of a runbook, from its first event to its last. */
export class Run {
  readonly #runbook: Runbook;
  readonly #input: Inputs;
  readonly #options: RunOptions;
  readonly #parts: RunParts;
  readonly #lost: AbortSignal;
  readonly #channel = new Channel<RunEvent>();
  readonly #memory: RunMemory;
  readonly #proven: ReadonlySet<string>;
  readonly #left = new AbortController();
  #branch: Branch | undefined;

  /** `lost` fires when somebody else works on the run: from then on the journal is theirs. */
  constructor(
    runbook: Runbook,
    input: Inputs,
    options: RunOptions,
    parts: RunParts,
    lost: AbortSignal,
  ) {
    this.#lost = lost;
    this.#runbook = runbook;
    this.#input = input;
    this.#options = options;
    this.#parts = parts;
    this.#memory = parts.restored?.memory ?? emptyMemory();
    this.#proven = keepProven(this.#memory);
    options.controls?.connect((note) => this.#record({ type: 'note', ...note }));
  }

  /** Yields what happens, as it happens. A reader who leaves early stops the run. */
  async *stream(first: RunEvent): AsyncGenerator<RunEvent, RunReport> {
    const outcome = this.#perform(first).finally(() => this.#channel.close());
    // Read below, whatever happens; until then its failure is nobody's surprise.
    outcome.catch(() => undefined);
    let read = false;
    try {
      for await (const event of this.#channel) yield event;
      read = true;
    } finally {
      if (!read) {
        this.#left.abort();
        await outcome.catch(() => undefined);
      }
    }
    return outcome;
  }

  async #perform(first: RunEvent): Promise<RunReport> {
    let held: HeldTargets | undefined;
    let ending: Ending | undefined;
    let signal = AbortSignal.any([this.#options.signal, this.#left.signal, this.#lost]);
    try {
      await this.#record(first);
      if (this.#options.dryRun !== true && this.#runbook.risk !== 'read') {
        held = await this.#hold(signal);
        signal = AbortSignal.any([signal, held.lost]);
      }
      if (this.#parts.undo === true) await undoActs(this.#host(), signal);
      else await this.#performSteps(signal);
    } catch (error) {
      const cause = signal.aborted ? asStop(error, signal) : error;
      ending = asEnding(cause, this.#memory.begun.size > 0);
    }
    try {
      await held?.release();
      const state = ending?.state ?? 'succeeded';
      const due = ending?.due ?? null;
      await this.#record({
        type: 'run.finished',
        state,
        reason: ending?.message ?? null,
        ...(due === null ? {} : { due }),
      });
    } finally {
      await this.#parts.journal.close();
    }
    if (ending?.bug !== undefined) throw ending.bug;
    return { ...this.#report(ending), reportFiles: await this.#leaveReport() };
  }

  /** A destructive run that began to act leaves a report. */
  async #leaveReport(): Promise<ReportFiles | null> {
    if (this.#runbook.risk !== 'destroy' || this.#memory.begun.size === 0) return null;
    try {
      return await writeReport(this.#options.services.home, this.#parts.runId);
    } catch (error) {
      // The run has ended, and its journal holds the same.
      const text = `The report could not be written: ${errorMessage(error)}`;
      this.#channel.push({ type: 'warning', step: null, text });
      return null;
    }
  }

  #hold(signal: AbortSignal): Promise<HeldTargets> {
    return holdTargets(this.#options.services, this.#runbook.targets(this.#input), {
      signal,
      onTakeover: (target, previous) =>
        this.#record({ type: 'lease.taken-over', target, from: describeOwner(previous) }),
      warn: (text) => this.#record({ type: 'warning', step: null, text }),
    });
  }

  async #performSteps(signal: AbortSignal): Promise<void> {
    const { steps } = this.#runbook;
    const host = this.#host();
    for (let index = 0; index < steps.length; ) {
      const step = steps[index] as AnyStep;
      throwIfAborted(signal);
      if (this.#options.dryRun === true && step.kind === 'approve') return;
      const known = this.#proven.has(step.id) ? this.#memory.results[step.id] : undefined;
      const { branch } = known ?? (await performStep(step, host, signal));
      if (branch?.to === 'runbook') {
        this.#branch = branch;
        return;
      }
      index = branch === undefined ? index + 1 : this.#indexOf(branch.step, index);
    }
  }

  /** A branch leads ahead only: a run ends. */
  #indexOf(id: string, from: number): number {
    const index = this.#runbook.steps.findIndex((step) => step.id === id);
    if (index > from) return index;
    throw new Error(`A step of ${this.#runbook.id} branches to ${id}, which does not follow it.`);
  }

  #host(): StepHost {
    return {
      runbook: this.#runbook,
      input: this.#input,
      definition: this.#parts.definition,
      memory: this.#memory,
      options: this.#options,
      record: (event) => this.#record(event),
      context: (step, signal, access) => this.#context(step, signal, access),
      resumeCommand: resumeCommand(this.#parts.runId),
    };
  }

  #context(step: AnyStep, signal: AbortSignal, access: 'read' | 'write'): StepContext<Inputs> {
    const { services } = this.#options;
    const readOnly = access === 'read';
    return {
      runId: this.#parts.runId,
      input: this.#input,
      services: readOnly
        ? {
            ...services,
            database: async () => ({ ...(await services.database()), readOnly: true }),
          }
        : services,
      signal,
      readOnly,
      results: this.#memory.results,
      plan: this.#memory.plan?.plan,
      output: (text) => this.#channel.push({ type: 'output', step: step.id, text: redact(text) }),
      warn: (text) => {
        // Written before what follows, which meets the failure if there is one.
        this.#record({ type: 'warning', step: step.id, text }).catch(() => undefined);
      },
      progress: (done, total, unit) =>
        this.#channel.push({ type: 'progress', step: step.id, done, total: total ?? null, unit }),
      secret: registerBornSecret,
    };
  }

  #last: Promise<unknown> = Promise.resolve();

  /** To the journal first, in order; then to memory and to the faces. */
  #record(event: RunEvent): Promise<JournalEntry> {
    const write = async (): Promise<JournalEntry> => {
      throwIfAborted(this.#lost);
      const entry = await this.#parts.journal.append(event);
      remember(this.#memory, entry.event);
      this.#channel.push(entry.event);
      return entry;
    };
    const written = this.#last.then(write, write);
    this.#last = written;
    return written;
  }

  #report(ending: Ending | undefined): Omit<RunReport, 'reportFiles'> {
    const { results, plan, begun } = this.#memory;
    const { runId } = this.#parts;
    const state = ending?.state ?? 'succeeded';
    const resumable = ['waiting', 'interrupted', 'failed'].includes(state);
    const steps = this.#runbook.steps.map(
      ({ id, kind }): StepResult =>
        results[id] ?? { id, kind, state: 'pending', seconds: null, summary: '' },
    );
    // A diagnosis that found something and changed nothing has not made it good.
    const found = begun.size === 0 && steps.some(({ finding }) => finding?.state === 'critical');
    const remains =
      state === 'succeeded' ? steps.flatMap(({ verified }) => verified?.remains ?? []) : [];
    const success = remains.length > 0 ? ExitCode.partial : ExitCode.done;
    return {
      runId,
      runbook: this.#runbook.id,
      state,
      exitCode: ending?.error.exitCode ?? (found ? ExitCode.failed : success),
      reason: ending?.message ?? null,
      error: ending?.error ?? null,
      remains: remains.length === 0 ? null : remains.join(' '),
      changed: begun.size > 0,
      steps,
      plan: plan?.plan ?? null,
      planHash: plan?.hash ?? null,
      branch: this.#branch ?? null,
      due: ending?.due ?? null,
      resume: resumable ? resumeCommand(runId) : null,
    };
  }
}

const resumeCommand = (runId: string): string => `reviewops runbook resume ${runId}`;
