import { type OutputLine, type OutputLog, outputChunks } from '../state/output.js';
import { wrapFast } from '../text.js';
import { type Line, line, span } from './line.js';

/** What was drawn of a chunk: in a flood only what is new is looked at again. */
const drawn = new WeakMap<readonly OutputLine[], { width: number; lines: Line[] }>();

/** All output that is kept, each line named by its step, the long ones on several lines. */
export function outputLines(log: OutputLog, width: number): Line[] {
  const lines = outputChunks(log).flatMap((chunk) => chunkLines(chunk, width));
  const lost = log.total - log.count;
  return lost > 0 ? [line(`… ${lost} earlier lines were let go`, 'dim'), ...lines] : lines;
}

function chunkLines(chunk: readonly OutputLine[], width: number): Line[] {
  const known = drawn.get(chunk);
  if (known?.width === width) return known.lines;
  const lines = chunk.flatMap(({ step, text }) => {
    const name = span(`${step} │ `, 'dim');
    const more = span(`${' '.repeat(step.length)} │ `, 'dim');
    return wrapFast(text, Math.max(10, width - step.length - 3)).map(
      (part, index): Line => [index === 0 ? name : more, { text: part }],
    );
  });
  drawn.set(chunk, { width, lines });
  return lines;
}
