import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const runner = fileURLToPath(new URL('./task-runner.ts', import.meta.url));

/** Starts a task of task-runner.ts in a process of its own. */
export const startTask = (task: string, address: readonly string[], args: readonly string[]) =>
  spawn(
    process.execPath,
    ['--import', 'tsx', runner, task, JSON.stringify(address), JSON.stringify(args)],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_NO_WARNINGS: '1' } },
  );

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Waits for the end of a process and of its output. */
export function ended(child: ChildProcess): Promise<Ended> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, ...output }));
  });
}

/** Waits until the process has printed this text; fails when it ends before. */
export function lineFrom(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let printed = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes(text)) resolve();
    });
    child.once('close', () => reject(new Error(`It ended without saying "${text}".`)));
  });
}

/** Runs a task to its end; the lines it printed. */
export async function runTask(
  task: string,
  address: readonly string[],
  args: readonly string[],
): Promise<string[]> {
  const { status, signal, stdout, stderr } = await ended(startTask(task, address, args));
  if (status !== 0) throw new Error(`${task} ended with ${status ?? signal}: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}
