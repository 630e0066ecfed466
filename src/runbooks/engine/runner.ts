import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import {
  ExitCode,
  errorMessage,
  failed,
  invalid,
  isOperatorError,
  refused,
  throwIfAborted,
} from '../../system/errors.js';
import { describeOwner, thisProcess } from '../../system/owner.js';
import { registerSecret } from '../../system/redact.js';
import type { Ask } from './answers.js';
import { approve, recordManual } from './approval.js';
import { Channel } from './channel.js';
import type {
  ActStep,
  Branch,
  Json,
  JsonObject,
  Runbook,
  RunbookServices,
  Step,
  StepContext,
  StepResult,
} from './definition.js';
import type { JournalEntry, RunEvent, RunState } from './events.js';
import { definitionHash } from './fingerprint.js';
import { Journal } from './journal.js';
import { type Plan, planHash } from './plan.js';
import { type RestoredRun, restore } from './restore.js';
import type { HeldTargets, Targets } from './targets.js';

export interface RunOptions {
  services: RunbookServices;
  ask: Ask;
  targets: Targets;
  /** Fires at the first Ctrl-C: the run stops at its next safe point. */
  signal: AbortSignal;
  /** Checks and plan only. */
  dryRun?: boolean;
  /** Refuses every runbook that changes something, and sets database sessions read-only. */
  readOnly?: boolean;
  /** Whether a destructive plan needs a second person. */
  secondPerson?: boolean;
  incident?: string;
}

/** How a run ended. */
export interface RunReport {
  runId: string;
  runbook: string;
  state: RunState;
  /** Why it did not succeed. */
  reason: string | null;
  exitCode: ExitCode;
  steps: StepResult[];
  plan: Plan | null;
  planHash: string | null;
  /** Where the evidence leads next. */
  branch: Branch | null;
  /** The command that goes on with a run that has not ended. */
  resume: string | null;
}

const defaultTimeoutSeconds = 300;

/**
 * Starts a run. Yields every event as it happens; the journal has it by then.
 *
 * @throws INPUT_INVALID (exit 2) before anything is written
 */
export async function* startRun<Schema extends z.ZodObject>(
  runbook: Runbook<Schema>,
  input: unknown,
  options: RunOptions,
): AsyncGenerator<RunEvent, RunReport> {
  const parsed = parseInput(runbook, input);
  if (options.readOnly === true && runbook.risk !== 'read') {
    throw refused(
      'READ_ONLY_MODE',
      `Runbook ${runbook.id} changes something, and this session is read-only.`,
      {
        hint: 'Leave the read-only mode deliberately, or use --dry-run to see the plan.',
      },
    );
  }
  const { services } = options;
  const runId = newRunId(services.now());
  const journal = await Journal.create(services.home, runId, services.now);
  const run = new Run(runbook, parsed, options, { runId, journal });
  return yield* run.stream({
    type: 'run.started',
    runId,
    runbook: runbook.id,
    title: runbook.title,
    definition: definitionHash(runbook),
    input: parsed as JsonObject,
    by: thisProcess(),
    dryRun: options.dryRun === true,
    incident: options.incident ?? null,
    tool: services.tool.version,
  });
}

/**
 * Goes on with a run that was interrupted or waits, at the first step not proven done.
 *
 * @throws RUN_NOT_FOUND, JOURNAL_BROKEN, RUN_ENDED, RUN_ACTIVE, RUNBOOK_EDITED
 */
export async function* resumeRun<Schema extends z.ZodObject>(
  runbook: Runbook<Schema>,
  runId: string,
  options: RunOptions,
): AsyncGenerator<RunEvent, RunReport> {
  const { services } = options;
  const { journal, entries } = await Journal.resume(services.home, runId, services.now);
  let run: Run<Schema>;
  try {
    const restored = restore(entries, definitionHash(runbook));
    const input = parseInput(runbook, restored.started.input);
    run = new Run(
      runbook,
      input,
      { ...options, dryRun: restored.started.dryRun },
      { runId, journal, restored },
    );
  } catch (error) {
    await journal.close();
    throw error;
  }
  return yield* run.stream({ type: 'run.resumed', by: thisProcess() });
}

const newRunId = (now: Date): string => {
  const digits = now.toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15);
  return `run_${digits}_${randomBytes(3).toString('hex')}`;
};

function parseInput<Schema extends z.ZodObject>(
  runbook: Runbook<Schema>,
  input: unknown,
): z.output<Schema> {
  const result = runbook.inputs.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'inputs'}: ${issue.message}`,
  );
  throw invalid(
    'INPUT_INVALID',
    `Runbook ${runbook.id} cannot take these inputs: ${problems.join('; ')}.`,
    {
      hint: `\`reviewops runbook show ${runbook.id}\` lists them.`,
    },
  );
}

/** The end of a run before its last step, with what it means. */
class Ending extends Error {
  override readonly name = 'Ending';
  constructor(
    readonly state: RunState,
    readonly exitCode: ExitCode,
    readonly reason: string,
    readonly hint?: string,
  ) {
    super(reason);
  }
}

interface RunParts {
  runId: string;
  journal: Journal;
  restored?: RestoredRun;
}

class Run<Schema extends z.ZodObject> {
  readonly #runbook: Runbook<Schema>;
  readonly #input: z.output<Schema>;
  readonly #options: RunOptions;
  readonly #parts: RunParts;
  readonly #channel = new Channel<RunEvent>();
  readonly #results: Record<string, StepResult> = {};
  #plan: Plan | undefined;
  #planHash: string | undefined;
  #branch: Branch | undefined;
  #acted = false;

  constructor(
    runbook: Runbook<Schema>,
    input: z.output<Schema>,
    options: RunOptions,
    parts: RunParts,
  ) {
    this.#runbook = runbook;
    this.#input = input;
    this.#options = options;
    this.#parts = parts;
    const { restored } = parts;
    if (restored === undefined) return;
    Object.assign(this.#results, restored.results);
    this.#plan = restored.plan?.plan;
    this.#planHash = restored.plan?.hash;
    this.#acted = restored.actsStarted.size > 0;
  }

  async *stream(first: RunEvent): AsyncGenerator<RunEvent, RunReport> {
    const outcome = this.#perform(first).finally(() => this.#channel.close());
    // Read below, whatever happens; until then its failure is nobody's surprise.
    outcome.catch(() => undefined);
    for await (const event of this.#channel) yield event;
    return outcome;
  }

  async #perform(first: RunEvent): Promise<RunReport> {
    let held: HeldTargets | undefined;
    let ending: Ending | undefined;
    try {
      await this.#record(first);
      if (this.#options.dryRun !== true && this.#runbook.risk !== 'read') {
        held = await this.#hold();
      }
      await this.#performSteps(held?.lost);
    } catch (error) {
      ending = asEnding(error, this.#acted);
    }
    const state = ending?.state ?? 'succeeded';
    const reason = ending === undefined ? null : ending.reason;
    try {
      await this.#record({ type: 'run.finished', state, reason });
    } finally {
      await held?.release();
      await this.#parts.journal.close();
    }
    return this.#report(state, reason, ending);
  }

  async #hold(): Promise<HeldTargets> {
    return this.#options.targets.hold(this.#runbook.targets(this.#input), (target, previous) =>
      this.#record({ type: 'lease.taken-over', target, from: describeOwner(previous) }),
    );
  }

  async #performSteps(lost: AbortSignal | undefined): Promise<void> {
    const { steps } = this.#runbook;
    const signal =
      lost === undefined ? this.#options.signal : AbortSignal.any([this.#options.signal, lost]);
    for (let index = 0; index < steps.length; index += 1) {
      const step = steps[index];
      if (step === undefined || this.#isProven(step)) continue;
      throwIfAborted(signal);
      if (this.#options.dryRun === true && step.kind === 'approve') return;
      const result = await this.#performStep(step, signal);
      if (result.branch?.to === 'step') {
        const target = result.branch.step;
        const next = steps.findIndex(({ id }) => id === target);
        if (next <= index) {
          throw new Error(`Step ${step.id} of ${this.#runbook.id} branches back to ${target}.`);
        }
        index = next - 1;
      } else if (result.branch !== undefined) {
        this.#branch = result.branch;
        return;
      }
    }
  }

  /** Done before the interruption, and nothing that could have changed since. */
  #isProven({ id, kind }: Step<z.output<Schema>>): boolean {
    const before = this.#parts.restored?.results[id];
    if (before === undefined || !['done', 'skipped'].includes(before.state)) return false;
    // What was seen before the interruption may be otherwise now; what was done stays done.
    return kind !== 'check';
  }

  async #performStep(step: Step<z.output<Schema>>, signal: AbortSignal): Promise<StepResult> {
    const when = step.when === undefined ? true : await step.when(this.#context(step, signal));
    if (when !== true) {
      return this.#finish({
        id: step.id,
        kind: step.kind,
        state: 'skipped',
        seconds: null,
        summary: when,
      });
    }
    const attempts = step.attempts ?? 1;
    for (let attempt = 1; ; attempt += 1) {
      const started = performance.now();
      const seconds = () => (performance.now() - started) / 1000;
      await this.#record(
        { type: 'step.started', step: step.id, kind: step.kind, attempt },
        { durable: step.kind === 'act' },
      );
      try {
        const result = await this.#within(step, signal, (limited) => this.#body(step, limited));
        return await this.#finish({ id: step.id, kind: step.kind, seconds: seconds(), ...result });
      } catch (error) {
        const last = attempt >= attempts || error instanceof Ending || signal.aborted;
        if (!last) continue;
        // An act that was stopped in the middle is not failed but unknown: a resume probes it.
        const unknown = step.kind === 'act' && signal.aborted;
        if (!unknown && !(error instanceof Ending && error.state === 'waiting')) {
          await this.#finish({
            id: step.id,
            kind: step.kind,
            state: error instanceof Ending && error.state === 'refused' ? 'refused' : 'failed',
            seconds: seconds(),
            summary: errorMessage(error),
          });
        }
        throw error;
      }
    }
  }

  /** Stops the step at its time limit; what it started is told through the signal. */
  async #within<T>(
    step: Step<z.output<Schema>>,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    // People are not hurried.
    if (step.kind === 'approve' || step.kind === 'manual') return work(signal);
    const limit = step.timeout ?? defaultTimeoutSeconds;
    const expired = new AbortController();
    const error = failed('STEP_TIMED_OUT', `Step ${step.id} did not end within ${limit} s.`, {
      hint: 'Find out what it waits for (its manual command says how), then resume the run.',
    });
    let timer: NodeJS.Timeout | undefined;
    const limited = AbortSignal.any([signal, expired.signal]);
    try {
      return await Promise.race([
        work(limited),
        new Promise<never>((_resolve, reject) => {
          timer = setTimeout(() => {
            expired.abort(error);
            reject(error);
          }, limit * 1000);
        }),
      ]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #body(
    step: Step<z.output<Schema>>,
    signal: AbortSignal,
  ): Promise<Omit<StepResult, 'id' | 'kind' | 'seconds'>> {
    const context = this.#context(step, signal);
    switch (step.kind) {
      case 'check': {
        const finding = await step.run(context);
        if (step.must === true && finding.state === 'critical') {
          throw failed('CHECK_FAILED', finding.summary);
        }
        return { state: 'done', summary: finding.summary, finding };
      }
      case 'plan': {
        const plan = await step.run(context);
        const hash = planHash(this.#runbook.id, this.#input as Json, plan);
        this.#plan = plan;
        this.#planHash = hash;
        await this.#record({ type: 'plan.made', step: step.id, hash, plan });
        return { state: 'done', summary: plan.summary, data: plan.totals };
      }
      case 'approve':
        return this.#approve(step, context);
      case 'manual': {
        const answer = await recordManual(step, context, this.#options.ask);
        if (answer === 'later') throw this.#waiting(`Step ${step.id} waits for a person.`);
        await this.#record({ type: 'manual.recorded', step: step.id, ...answer });
        return { state: 'done', summary: `${answer.by}: ${answer.said}` };
      }
      case 'branch': {
        const branch = await step.choose(context);
        return branch === undefined
          ? { state: 'done', summary: 'The evidence leads nowhere else.' }
          : { state: 'done', summary: branch.why, branch };
      }
      case 'act':
        return this.#act(step, context);
    }
  }

  async #approve(
    step: Extract<Step<z.output<Schema>>, { kind: 'approve' }>,
    context: StepContext<z.output<Schema>>,
  ): Promise<Omit<StepResult, 'id' | 'kind' | 'seconds'>> {
    const plan = this.#plan;
    if (plan !== undefined && plan.targets.length === 0) {
      return { state: 'done', summary: 'There is nothing to do, so nothing to approve.' };
    }
    const outcome = await approve(
      {
        step,
        context,
        risk: this.#runbook.risk,
        plan: plan ?? { summary: '', targets: [], totals: {}, notes: [] },
        planHash: this.#planHash ?? '',
        secondPerson: this.#options.secondPerson === true && this.#runbook.risk === 'destroy',
        given: this.#parts.restored?.approvals ?? [],
      },
      this.#options.ask,
      (event) => this.#record(event),
    );
    switch (outcome.type) {
      case 'approved':
        return { state: 'done', summary: `Approved by ${outcome.by.join(' and ')}.` };
      case 'declined':
        throw new Ending(
          'aborted',
          ExitCode.refused,
          `Declined by ${outcome.by}; nothing was changed.`,
        );
      case 'later':
        throw this.#waiting(outcome.reason);
      case 'refused':
        throw new Ending('refused', ExitCode.refused, outcome.reason, outcome.rerun);
    }
  }

  /** Reality first: an act that ran before is probed, and a first act meets the plan as approved. */
  async #act(
    step: ActStep<z.output<Schema>>,
    context: StepContext<z.output<Schema>>,
  ): Promise<Omit<StepResult, 'id' | 'kind' | 'seconds'>> {
    if (this.#plan !== undefined && this.#plan.targets.length === 0) {
      return { state: 'skipped', summary: 'The plan names nothing.' };
    }
    const before = this.#parts.restored?.actsStarted.has(step.id) === true;
    if (before) {
      const verified = await step.verify(context);
      if (verified.done) {
        return { state: 'done', summary: `Found done: ${verified.summary}`, verified };
      }
    }
    if (!this.#acted) await this.#meetPlan(context);
    this.#acted = true;
    const data = await step.run(context);
    throwIfAborted(context.signal);
    const verified = await step.verify(context);
    if (!verified.done) {
      throw failed(
        'NOT_VERIFIED',
        `Step ${step.id} ran, but its effect is not there: ${verified.summary}`,
      );
    }
    return { state: 'done', summary: verified.summary, verified, data };
  }

  /** Refuses when what the plan names is no longer what was shown. */
  async #meetPlan(context: StepContext<z.output<Schema>>): Promise<void> {
    const step = this.#runbook.steps.find(({ kind }) => kind === 'plan');
    if (step?.kind !== 'plan') return;
    const now = planHash(this.#runbook.id, this.#input as Json, await step.run(context));
    if (now === this.#planHash) return;
    throw new Ending(
      'refused',
      ExitCode.refused,
      'Reality has changed since the plan was shown; nothing was changed. Make a new plan.',
    );
  }

  #waiting(reason: string): Ending {
    return new Ending('waiting', ExitCode.refused, reason, this.#resumeCommand());
  }

  #context(step: Step<z.output<Schema>>, signal: AbortSignal): StepContext<z.output<Schema>> {
    return {
      input: this.#input,
      services: this.#options.services,
      signal,
      readOnly: this.#runbook.risk === 'read' || this.#options.dryRun === true,
      results: this.#results,
      plan: this.#plan,
      output: (text) => this.#channel.push({ type: 'output', step: step.id, text }),
      progress: (done, total, unit) =>
        this.#channel.push({ type: 'progress', step: step.id, done, total: total ?? null, unit }),
      secret: registerSecret,
    };
  }

  async #finish(result: StepResult): Promise<StepResult> {
    this.#results[result.id] = result;
    await this.#record({ type: 'step.finished', result }, { durable: result.kind === 'act' });
    return result;
  }

  /** To the journal first, to the faces after. */
  async #record(event: RunEvent, options?: { durable: boolean }): Promise<JournalEntry> {
    const entry = await this.#parts.journal.append(event, options);
    this.#channel.push(entry.event);
    return entry;
  }

  #resumeCommand(): string {
    return `reviewops runbook resume ${this.#parts.runId}`;
  }

  #report(state: RunState, reason: string | null, ending: Ending | undefined): RunReport {
    const open =
      state === 'waiting' || state === 'interrupted' || (state === 'failed' && this.#acted);
    return {
      runId: this.#parts.runId,
      runbook: this.#runbook.id,
      state,
      reason: ending?.hint === undefined ? reason : `${reason} ${ending.hint}`,
      exitCode: ending?.exitCode ?? ExitCode.done,
      steps: this.#runbook.steps.map(
        ({ id, kind }) =>
          this.#results[id] ?? { id, kind, state: 'pending', seconds: null, summary: '' },
      ),
      plan: this.#plan ?? null,
      planHash: this.#planHash ?? null,
      branch: this.#branch ?? null,
      resume: open ? this.#resumeCommand() : null,
    };
  }
}

function asEnding(error: unknown, acted: boolean): Ending {
  if (error instanceof Ending) return error;
  if (!isOperatorError(error)) throw error;
  if (error.exitCode === ExitCode.interrupted) {
    return new Ending('interrupted', ExitCode.interrupted, error.message, error.hint);
  }
  if (error.exitCode === ExitCode.refused) {
    return new Ending('refused', ExitCode.refused, error.message, error.hint);
  }
  const exitCode = acted && error.exitCode === ExitCode.failed ? ExitCode.partial : error.exitCode;
  return new Ending('failed', exitCode, error.message, error.hint);
}
