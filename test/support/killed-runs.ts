import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunReport } from '../../src/runbooks/engine/runner.js';
import type { RunOrder } from './run-process.js';
import { ended } from './tasks.js';

const script = fileURLToPath(new URL('./run-process.ts', import.meta.url));

/** What a run in a process of its own reports, or that it died where it was told to. */
export async function runInProcess(order: RunOrder): Promise<RunReport | 'killed'> {
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { status, signal, stdout, stderr } = await ended(child);
  if (signal === 'SIGKILL' && stdout === 'died\n') return 'killed';
  if (status !== 0) throw new Error(`${status ?? signal}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as RunReport;
}

/** Ids of the runs of a state directory. */
export async function runsIn(home: string): Promise<string[]> {
  const names = await readdir(join(home, 'runs')).catch(() => []);
  return names.flatMap((name) => (name.endsWith('.jsonl') ? [name.slice(0, -6)] : []));
}
