import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type IPty, spawn } from '@lydell/node-pty';
import headless from '@xterm/headless';

const launcher = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface TerminalOptions {
  cwd: string;
  env?: Record<string, string>;
  columns?: number;
  rows?: number;
  /** In place of the built command line: a program with its arguments. */
  command?: readonly [string, ...string[]];
}

export interface TestTerminal {
  pty: IPty;
  /** Lines of the screen as they look now, without trailing blanks. */
  screen(): string;
  /** Everything that was ever written, raw. */
  raw(): string;
  /** Resolves when the screen matches, or rejects with what it shows. */
  see(pattern: RegExp | string, milliseconds?: number): Promise<string>;
  /** Resolves when the screen does not match any more. */
  lose(pattern: RegExp | string): Promise<string>;
  type(keys: string): void;
  /** Types a text and waits until the screen shows it. */
  enter(text: string): Promise<void>;
  resize(columns: number, rows: number): void;
  /** Closes the terminal under the program, as when its window is closed. */
  hangUp(): void;
  /** The exit code, when the program ends. */
  ended: Promise<{ exitCode: number; signal: number | undefined }>;
  dispose(): void;
}

export const keys = {
  enter: '\r',
  esc: '\u001b',
  tab: '\t',
  up: '\u001b[A',
  down: '\u001b[B',
  ctrlC: '\u0003',
  ctrlZ: '\u001a',
} as const;

/** The built program (or another) in a real pseudo-terminal, whose screen can be read. */
export function openTerminal(args: readonly string[], options: TerminalOptions): TestTerminal {
  const { cwd, env = {}, columns = 100, rows = 30 } = options;
  const [file, ...rest] = options.command ?? [process.execPath, launcher, ...args];
  const pty = spawn(file, rest, {
    name: 'xterm-256color',
    cols: columns,
    rows,
    cwd,
    env: {
      PATH: process.env.PATH ?? '',
      TMPDIR: tmpdir(),
      HOME: cwd,
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
      ...env,
    },
  });
  const screen = new headless.Terminal({
    cols: columns,
    rows,
    allowProposedApi: true,
    scrollback: 200,
  });
  let raw = '';
  const watchers = new Set<() => void>();
  pty.onData((data) => {
    raw += data;
    screen.write(data, () => {
      for (const watcher of [...watchers]) watcher();
    });
  });
  const ended = new Promise<{ exitCode: number; signal: number | undefined }>((resolve) => {
    pty.onExit(({ exitCode, signal }) => resolve({ exitCode, signal }));
  });
  const lines = (): string => {
    const { active } = screen.buffer;
    return Array.from({ length: screen.rows }, (_, row) =>
      (active.getLine(active.viewportY + row)?.translateToString(true) ?? '').trimEnd(),
    )
      .join('\n')
      .trimEnd();
  };
  const fits = (pattern: RegExp | string): boolean =>
    typeof pattern === 'string' ? lines().includes(pattern) : pattern.test(lines());
  const until = (met: () => boolean, what: string, milliseconds: number) =>
    new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        watchers.delete(look);
        reject(new Error(`${what} not within ${milliseconds} ms:\n${lines()}`));
      }, milliseconds);
      const look = () => {
        if (!met()) return;
        clearTimeout(timer);
        watchers.delete(look);
        resolve(lines());
      };
      watchers.add(look);
      look();
    });
  const see = (pattern: RegExp | string, milliseconds = 60_000) =>
    until(() => fits(pattern), `${pattern}`, milliseconds);
  return {
    pty,
    screen: lines,
    raw: () => raw,
    see,
    lose: (pattern) => until(() => !fits(pattern), `without ${pattern}`, 60_000),
    type: (text) => pty.write(text),
    enter: async (text) => {
      pty.write(text);
      await see(text);
    },
    resize: (wide, high) => {
      screen.resize(wide, high);
      pty.resize(wide, high);
    },
    ended,
    // Of the terminals of Unix; the package declares only what those of Windows have too.
    hangUp: () => (pty as IPty & { destroy(): void }).destroy(),
    dispose: () => {
      try {
        pty.kill('SIGKILL');
      } catch {
        // It has ended by itself.
      }
      screen.dispose();
    },
  };
}
