import type { ManagedContext } from '../../cli/create-context.js';
import { refreshed } from '../state/act.js';
import {
  begin,
  type Effect,
  isRunning,
  type Message,
  type Model,
  type Size,
} from '../state/model.js';
import { update } from '../state/update.js';
import { cleanLines } from '../text.js';
import { IncidentDriver } from './incident-driver.js';
import { Loaders } from './loaders.js';
import { RunDriver } from './run-driver.js';

/** How a face is told what to draw, and what only it can do. */
export interface Face {
  size(): Size;
  /** Something changed; `urgent` for what somebody waits for. */
  changed(model: Model, urgent: boolean): void;
  copy(text: string): void;
  redraw(): void;
  suspend(): void;
  /** Gives the terminal back; nothing is drawn after that. */
  close(): void;
}

export interface ProgramOptions {
  face: Face;
  /** A context of its own for one piece of work; `say` gets what would go to stderr. */
  open(say: (text: string) => void): ManagedContext;
  tool: string;
  operator: string;
  readOnly: boolean;
  /** The runbook to begin with. */
  runbook: string | undefined;
  /** Fires when the process was told to end, or the terminal is gone. */
  signal: AbortSignal;
  /** Ends the process without waiting for anything. */
  leaveNow(): never;
}

export type Status = 'done' | 'interrupted';

/** How long no key may have come before an answer is taken, in milliseconds. */
const quietMilliseconds = 250;

const tickMilliseconds = 1000;

/** Holds the state, and does what the reducers ask for. */
export class Program {
  readonly #options: ProgramOptions;
  readonly #loaders: Loaders;
  readonly #driver: RunDriver;
  readonly #incidents: IncidentDriver;
  #model: Model;
  #quiet: NodeJS.Timeout | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #leaving = false;
  #left: ((status: Status) => void) | undefined;

  constructor(options: ProgramOptions) {
    this.#options = options;
    const { face, tool, operator, readOnly, runbook: wanted } = options;
    this.#model = begin({ size: face.size(), now: Date.now(), tool, operator, readOnly, wanted });
    const open = () => options.open((text) => this.#say(text));
    this.#loaders = new Loaders(this.post, open);
    this.#driver = new RunDriver(this.post, open, operator);
    this.#incidents = new IncidentDriver(this.post, open);
  }

  get model(): Model {
    return this.#model;
  }

  /** Shows the first screen, and resolves when somebody leaves. */
  run(): Promise<Status> {
    const left = new Promise<Status>((resolve) => {
      this.#left = resolve;
    });
    this.#ticking = setInterval(
      () => this.post({ type: 'tick', at: Date.now() }),
      tickMilliseconds,
    );
    this.#options.signal.addEventListener('abort', () => this.#leave('interrupted'), {
      once: true,
    });
    this.#options.face.changed(this.#model, true);
    for (const effect of refreshed(this.#model)) this.#do(effect);
    return left;
  }

  readonly post = (message: Message): void => {
    const before = this.#model;
    const [model, effects] = update(before, message);
    this.#model = model;
    if (model !== before) {
      this.#options.face.changed(model, message.type === 'press' || message.type === 'resized');
    }
    for (const effect of effects) this.#do(effect);
  };

  /** What contexts would print: the last line of it. */
  #say(text: string): void {
    const line = cleanLines(text).findLast((one) => one.trim() !== '');
    if (line !== undefined) this.post({ type: 'notice', notice: { text: line, tone: 'plain' } });
  }

  #do(effect: Effect): void {
    const { face } = this.#options;
    switch (effect.type) {
      case 'load':
        void this.#loaders.load(effect.what, effect.id);
        return;
      case 'start':
        this.#driver.begin(effect, effect.runbook.id);
        return;
      case 'resume':
        this.#driver.begin(effect, this.#model.run?.runbook.id ?? '');
        return;
      case 'answer':
        this.#driver.answer(effect.answer);
        return;
      case 'incident':
        this.#incidents.begin(effect);
        return;
      case 'note':
        this.#driver.note(effect.text, effect.step);
        return;
      case 'skip':
        this.#driver.skip(effect.step, effect.reason);
        return;
      case 'stop':
        this.#driver.stop();
        return;
      case 'await-quiet':
        clearTimeout(this.#quiet);
        this.#quiet = setTimeout(() => this.post({ type: 'quiet' }), quietMilliseconds);
        return;
      case 'copy':
        face.copy(effect.text);
        return;
      case 'redraw':
        face.redraw();
        return;
      case 'suspend':
        face.suspend();
        return;
      case 'leave':
        this.#leave(effect.status);
        return;
      case 'leave-now':
        face.close();
        this.#options.leaveNow();
    }
  }

  /** The run first comes to its safe point: its journal says then how far it came. */
  #leave(status: Status): void {
    if (this.#leaving) return;
    this.#leaving = true;
    if (isRunning(this.#model)) this.#driver.stop();
    void Promise.all([this.#driver.ended, this.#incidents.ended]).then(() => {
      clearInterval(this.#ticking);
      clearTimeout(this.#quiet);
      this.#options.face.close();
      this.#left?.(status);
    });
  }
}
