import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface CliOptions {
  /** Added to an otherwise clean environment; nothing of the developer's own gets through. */
  env?: Record<string, string>;
  /** Default: an empty directory, removed afterwards; state is kept in `.reviewops` there. */
  cwd?: string;
  /** Text for stdin, which is a pipe that ends. */
  input?: string;
  /** Milliseconds until the process is killed and the run fails. */
  timeout?: number;
  /** Another program in place of bin/run.js. */
  script?: string;
}

export interface CliResult {
  /** Null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Milliseconds from start to end. */
  milliseconds: number;
  /** Stdout as one JSON document; throws, with all output, when it is anything else. */
  json<Result = Record<string, unknown>>(): Envelope<Result>;
}

export interface Envelope<Result> {
  status: number;
  result: Result;
  warnings: string[];
  error: { code: string; message: string; hint: string | null };
}

export interface RunningCli {
  child: ChildProcess;
  result: Promise<CliResult>;
  /** Resolves when stdout and stderr together match; rejects when the process ends before. */
  waitFor(pattern: RegExp): Promise<void>;
}

/** Runs the built command line to its end. */
export async function runCli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  if (options.cwd !== undefined) return startCli(args, { ...options, cwd: options.cwd }).result;
  const cwd = await mkdtemp(join(tmpdir(), 'reviewops-cli-'));
  try {
    return await startCli(args, { ...options, cwd }).result;
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

/** Starts the built command line, for tests that act on it while it runs. */
export function startCli(args: string[], options: CliOptions & { cwd: string }): RunningCli {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [options.script ?? launcher, ...args], {
    cwd: options.cwd,
    env: { ...cleanEnvironment(options.cwd), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  const collect = (add: (text: string) => void) => (chunk: string) => {
    add(chunk);
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding('utf8').on(
    'data',
    collect((text) => {
      stdout += text;
    }),
  );
  child.stderr.setEncoding('utf8').on(
    'data',
    collect((text) => {
      stderr += text;
    }),
  );
  // A command that does not read its input may end before it is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const limit = options.timeout ?? 100_000;
  const result = new Promise<CliResult>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`reviewops ${args.join(' ')} took over ${limit} ms.\n${stdout}\n${stderr}`));
    }, limit);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const milliseconds = performance.now() - startedAt;
      resolve({ code, signal, stdout, stderr, milliseconds, json: () => parse(stdout, stderr) });
    });
  });
  const waitFor = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(stdout + stderr)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      child.on('close', () => reject(new Error(`No ${pattern} in:\n${stdout}\n${stderr}`)));
      look();
    });
  return { child, result, waitFor };
}

const cleanEnvironment = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  TMPDIR: tmpdir(),
  HOME: home,
  LANG: 'C.UTF-8',
});

function parse<Result>(stdout: string, stderr: string): Envelope<Result> {
  try {
    return JSON.parse(stdout) as Envelope<Result>;
  } catch (cause) {
    throw new Error(`Not one JSON document:\n${stdout}\nstderr:\n${stderr}`, { cause });
  }
}
