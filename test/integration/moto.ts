import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { S3Server } from '../support/s3-probe.js';

const root = join(import.meta.dirname, '..', '..');
const venv = join(root, '.peers', 'venv');
const peerPython =
  process.platform === 'win32' ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');

export interface Moto extends S3Server {
  /** From the next request on (or after this many), only what IAM allows is done. */
  enforceAccess(after?: number): Promise<void>;
  /** What the server has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** moto's server: S3 with versions, conditions and settings of buckets, and IAM. */
export async function startMoto(): Promise<Moto> {
  const child = spawn(peerPython, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let said = '';
  // It takes a free port and says which.
  const endpoint = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const [, url] = /Running on (http:\/\/127\.0\.0\.1:\d+)\s/.exec(said) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.once('close', () => reject(new Error(`moto ended: ${said.slice(-2000)}`)));
  });
  return {
    name: 'moto',
    endpoint,
    region: 'eu-west-3',
    credentials: { accessKeyId: 'AKIATESTTESTTEST0002', secretAccessKey: 'secret-of-the-peers' },
    enforceAccess: async (after = 0) => {
      await fetch(`${endpoint}/moto-api/reset-auth`, { method: 'POST', body: String(after) });
    },
    log: () => said,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Runs a program of peers/ with these variables and reads the JSON document it prints. */
export async function runPeer<Answer>(
  program: string,
  args: string[],
  env: Record<string, string>,
): Promise<Answer> {
  const { stdout } = await promisify(execFile)(
    peerPython,
    [join(root, 'peers', program), ...args],
    {
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...env },
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  return JSON.parse(stdout) as Answer;
}
