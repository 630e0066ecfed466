import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Measured {
  /** Wall time from start to end. */
  seconds: number;
  /** Largest resident set of the process, in bytes; undefined where the system does not tell. */
  peakBytes: number | undefined;
  stdout: string;
}

const pollMilliseconds = 10;

/**
 * Runs a program to its end and measures it. The peak comes from the kernel's own high-water mark,
 * read again and again because it goes with the process: what the last hundredth of a second
 * added is missed. Only the process itself counts, not the database server it talks to.
 *
 * @throws Error with the program's output when it does not end with status 0
 */
export function measure(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let peakBytes: number | undefined;
    const poll = setInterval(() => {
      peakBytes = peakOf(child.pid) ?? peakBytes;
    }, pollMilliseconds);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', (error) => {
      clearInterval(poll);
      reject(error);
    });
    child.on('close', (code) => {
      clearInterval(poll);
      const seconds = (performance.now() - started) / 1000;
      if (code === 0) resolve({ seconds, peakBytes, stdout });
      else {
        reject(new Error(`${command} ${args.join(' ')} ended with ${code}.\n${stdout}${stderr}`));
      }
    });
  });
}

function peakOf(pid: number | undefined): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    // The process has just ended, or this is not Linux.
    return undefined;
  }
}

/** The environment for measured programs: nothing of the developer's own settings gets through. */
export const cleanEnvironment = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  TMPDIR: process.env.TMPDIR,
  HOME: home,
  LANG: 'C.UTF-8',
});
