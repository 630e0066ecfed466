import { EventEmitter } from 'node:events';
import { render } from 'ink';
import type { ReactElement } from 'react';
import type { Size } from '../state/model.js';

/** What Ink writes to and reads from: nothing of the process, so that one place owns the terminal. */
class FrameSink extends EventEmitter {
  readonly isTTY = false;
  columns: number;
  rows: number;
  frame = '';

  constructor({ columns, rows }: Size) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): boolean {
    this.frame = text;
    return true;
  }
}

export interface InkHost {
  /** The element as text with styles, `rows` lines of it. */
  render(element: ReactElement, size: Size): string;
  unmount(): void;
}

/** Ink as a function from elements to frames. */
export function openInk(size: Size): InkHost {
  const sink = new FrameSink(size);
  const stdin = Object.assign(new EventEmitter(), { isTTY: false });
  let instance: ReturnType<typeof render> | undefined;
  return {
    render: (element, { columns, rows }) => {
      if (sink.columns !== columns || sink.rows !== rows) {
        Object.assign(sink, { columns, rows });
        sink.emit('resize');
      }
      if (instance === undefined) {
        instance = render(element, {
          stdout: sink as unknown as NodeJS.WriteStream,
          stderr: sink as unknown as NodeJS.WriteStream,
          stdin: stdin as unknown as NodeJS.ReadStream,
          // Every frame whole, and at once: the painter finds what has changed.
          debug: true,
          exitOnCtrlC: false,
          patchConsole: false,
        });
      } else instance.rerender(element);
      return sink.frame;
    },
    unmount: () => instance?.unmount(),
  };
}
