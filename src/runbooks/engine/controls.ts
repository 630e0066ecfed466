import type { Inputs, Step } from './definition.js';

/** A note of a person, for the journal. */
export interface Note {
  by: string;
  text: string;
  step: string | null;
}

interface Skip {
  stop: AbortController;
  /** Who left the step out, and why; undefined while nobody did. */
  said: string | undefined;
}

/** What a person says to a run while it goes on. One for each run; the face that started it holds it. */
export class RunControls {
  readonly #skips = new Map<string, Skip>();
  #write: ((note: Note) => Promise<unknown>) | undefined;

  /** Called by the run: where notes go. */
  connect(write: (note: Note) => Promise<unknown>): void {
    this.#write = write;
  }

  /** Resolves when the note is in the journal; at once while no run takes notes. */
  async note(note: Note): Promise<void> {
    await this.#write?.(note);
  }

  /** Leaves a step out, also one that is at work. Means nothing to steps that are not `isSkippable`. */
  skip(step: string, by: string, reason: string): void {
    const skip = this.#of(step);
    skip.said ??= `Skipped by ${by}: ${reason}`;
    skip.stop.abort(new Error(skip.said));
  }

  /** Who left the step out, and why; undefined for one that is performed. */
  skipped(step: Step<Inputs>): string | undefined {
    return isSkippable(step) ? this.#of(step.id).said : undefined;
  }

  /** Fires when the step is left out. */
  signal(step: Step<Inputs>): AbortSignal | undefined {
    return isSkippable(step) ? this.#of(step.id).stop.signal : undefined;
  }

  #of(step: string): Skip {
    const skip = this.#skips.get(step) ?? { stop: new AbortController(), said: undefined };
    this.#skips.set(step, skip);
    return skip;
  }
}

/**
 * Whether a person may leave a step out: what a person does, and checks that only inform. What
 * guards, plans, approves, changes or proves is never left out.
 */
export const isSkippable = (step: Step<Inputs>): boolean =>
  step.kind === 'manual' || (step.kind === 'check' && step.must !== true);
