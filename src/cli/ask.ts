import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { throwIfAborted } from '../system/errors.js';

/** How long input that was typed before the question is thrown away, in milliseconds. */
const settle = 50;

export interface AskOptions {
  signal: AbortSignal;
  /** Where the question goes: stderr. */
  write(text: string): void;
}

/** Asks a person; gives the typed line, or undefined when the input ended. */
export async function ask(question: string, options: AskOptions): Promise<string | undefined> {
  throwIfAborted(options.signal);
  await dropTypeahead();
  const lines = createInterface({ input: process.stdin, terminal: false });
  const stop = () => lines.close();
  options.signal.addEventListener('abort', stop, { once: true });
  options.write(question);
  try {
    const [line] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string?];
    throwIfAborted(options.signal);
    return line;
  } finally {
    options.signal.removeEventListener('abort', stop);
    lines.close();
  }
}

/** Keys pressed before the question stood on the screen do not answer it. */
async function dropTypeahead(): Promise<void> {
  const drop = () => undefined;
  process.stdin.on('data', drop);
  await new Promise((done) => setTimeout(done, settle));
  process.stdin.off('data', drop);
  process.stdin.pause();
}
