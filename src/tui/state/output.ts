import { clean } from '../text.js';

export interface OutputLine {
  step: string;
  /** Clean, and cut to `longest`. */
  text: string;
}

/**
 * The last lines of output. Appending shares what is there, and takes time for what is new only;
 * memory is bounded by `most` lines of `longest` characters.
 */
export interface OutputLog {
  readonly chunks: readonly (readonly OutputLine[])[];
  /** Lines that are kept. */
  readonly count: number;
  /** Lines there ever were. */
  readonly total: number;
}

const most = 5000;
const longest = 1000;
/** Small appends are joined to the last chunk, so that there are never many. */
const chunkSize = 250;

export const emptyOutput: OutputLog = { chunks: [], count: 0, total: 0 };

export function appendOutput(log: OutputLog, lines: readonly OutputLine[]): OutputLog {
  if (lines.length === 0) return log;
  const fresh = lines.slice(-most);
  const last = log.chunks.at(-1);
  const chunks =
    last !== undefined && last.length + fresh.length <= chunkSize
      ? [...log.chunks.slice(0, -1), [...last, ...fresh]]
      : [...log.chunks, fresh];
  let count = log.count + fresh.length;
  while (chunks.length > 1 && count - (chunks[0]?.length ?? 0) >= most) {
    count -= chunks.shift()?.length ?? 0;
  }
  return { chunks, count, total: log.total + lines.length };
}

export const outputLine = (step: string, text: string): OutputLine => ({
  step,
  text: clean(text.length > longest ? `${text.slice(0, longest)}…` : text),
});

/** What is kept, in the pieces that later logs share. */
export const outputChunks = ({ chunks }: OutputLog): OutputLog['chunks'] => chunks;

/** All lines that are kept, of one step or of all. */
export function outputOf({ chunks }: OutputLog, step?: string): OutputLine[] {
  const lines = chunks.flat();
  return step === undefined ? lines : lines.filter((line) => line.step === step);
}
