import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ManagedContext } from '../../cli/create-context.js';
import { reportRunbook } from '../../cli/incident-signals.js';
import { findRunbook } from '../../cli/runbook-catalogue.js';
import { copyJournals } from '../../cli/runbook-command.js';
import { servicesOf } from '../../cli/runbook-services.js';
import type { Answer, Question } from '../../runbooks/engine/answers.js';
import { isAmong } from '../../runbooks/engine/approval.js';
import { RunControls } from '../../runbooks/engine/controls.js';
import type { RunEvent } from '../../runbooks/engine/events.js';
import { readJournal } from '../../runbooks/engine/journal.js';
import { startOf } from '../../runbooks/engine/restore.js';
import {
  type RunOptions,
  type RunReport,
  resumeRun,
  startRun,
} from '../../runbooks/engine/runner.js';
import { errorMessage, interrupted, isOperatorError } from '../../system/errors.js';
import { redact } from '../../system/redact.js';
import type { Effect, Message } from '../state/model.js';

type Order = Extract<Effect, { type: 'start' | 'resume' }>;

/** How often events go to the screen, in milliseconds: a flood costs one frame, not one each. */
const flushMilliseconds = 40;

/** How long events may be taken in without looking after the keyboard, in milliseconds. */
const sliceMilliseconds = 8;

/** How long a run may take to reach its safe point once the terminal is gone, in seconds. */
const safePointSeconds = 60;

interface Pending {
  question: Question;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
}

/** Runs one runbook at a time on the engine, and tells what happens in batches. */
export class RunDriver {
  readonly #post: (message: Message) => void;
  readonly #open: () => ManagedContext;
  readonly #operator: string;
  #queue: RunEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stop: AbortController | undefined;
  #controls = new RunControls();
  #pending: Pending | undefined;
  #running: Promise<void> | undefined;

  constructor(post: (message: Message) => void, open: () => ManagedContext, operator: string) {
    this.#post = post;
    this.#open = open;
    this.#operator = operator;
  }

  /** Settles when no run goes on any more. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  begin(order: Order, runbookId: string): void {
    this.#running = this.#perform(order, runbookId).finally(() => {
      this.#running = undefined;
    });
  }

  answer(answer: Answer): void {
    this.#pending?.resolve(answer);
    this.#pending = undefined;
  }

  /** Into the journal of the run. */
  note(text: string, step: string | undefined): void {
    const note = { by: this.#operator, text, step: step ?? null };
    this.#controls.note(note).catch((error: unknown) => {
      const text = `The note was not written: ${redact(errorMessage(error))}`;
      this.#post({ type: 'notice', notice: { text, tone: 'bad' } });
    });
  }

  /** Leaves a step out; a manual one that waits for its answer is not done, and the run goes on. */
  skip(step: string, reason: string): void {
    this.#controls.skip(step, this.#operator, reason);
    if (this.#pending?.question.step === step) this.answer({ type: 'later' });
  }

  /** The run ends at its next safe point; a question that is open is not answered. */
  stop(): void {
    const reason = interrupted('Stopped by the operator.');
    this.#stop?.abort(reason);
    this.#pending?.reject(reason);
    this.#pending = undefined;
  }

  async #perform(order: Order, runbookId: string): Promise<void> {
    const managed = this.#open();
    const stop = new AbortController();
    this.#stop = stop;
    this.#controls = new RunControls();
    const { context } = managed;
    context.allowCleanUp(safePointSeconds);
    context.signal.addEventListener('abort', () => this.stop(), { once: true });
    try {
      const services = await servicesOf(context);
      const runbook = await findRunbook(context, runbookId);
      const options: RunOptions = {
        services,
        ask: (question) => this.#ask(question),
        signal: AbortSignal.any([context.signal, stop.signal]),
        readOnly: order.readOnly,
        controls: this.#controls,
      };
      const run =
        order.type === 'start'
          ? startRun(runbook, order.input, {
              ...options,
              dryRun: order.dryRun,
              ...(order.incident === undefined ? {} : { incident: order.incident }),
            })
          : resumeRun(runbook, order.runId, { ...options, undo: order.undo });
      const report = await this.#follow(run);
      const { incident, input, dryRun } = startOf(
        (await readJournal(context.home, report.runId)).entries,
      );
      const of = { incident: incident ?? undefined, input, dryRun };
      await reportRunbook(context, report, of, services.used());
      await copyJournals(context, services);
      this.#post({ type: 'run.ended', report, at: Date.now() });
    } catch (error) {
      this.#flush();
      const hint = isOperatorError(error) ? error.hint : undefined;
      this.#post({
        type: 'run.broke',
        message: redact(errorMessage(error)),
        hint: hint === undefined ? undefined : redact(hint),
        at: Date.now(),
      });
    } finally {
      this.#stop = undefined;
      await managed.cleanUp();
      managed.release();
    }
  }

  async #follow(run: AsyncGenerator<RunEvent, RunReport>): Promise<RunReport> {
    let slice = performance.now();
    for (;;) {
      const next = await run.next();
      if (next.done === true) {
        this.#flush();
        return next.value;
      }
      this.#queue.push(next.value);
      this.#timer ??= setTimeout(() => this.#flush(), flushMilliseconds);
      if (performance.now() - slice < sliceMilliseconds) continue;
      // Events that are there already would keep the keyboard waiting.
      await nextTurn();
      slice = performance.now();
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#queue;
    this.#queue = [];
    if (events.length > 0) this.#post({ type: 'run.events', events, at: Date.now() });
  }

  #ask(question: Question): Promise<Answer> {
    const { signal } = this.#stop ?? {};
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const approved = question.type === 'approve' ? question.approvedBy : null;
    // Somebody else has to approve, and nobody else sits here.
    if (approved !== null && isAmong(this.#operator, [approved])) {
      return Promise.resolve({ type: 'later' });
    }
    // The plan must be on the screen before it is asked about.
    this.#flush();
    return new Promise((resolve, reject) => {
      this.#pending = { question, resolve, reject };
      this.#post({ type: 'run.asks', question, at: Date.now() });
    });
  }
}
