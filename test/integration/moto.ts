import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { S3Server } from '../support/s3-probe.js';

const root = join(import.meta.dirname, '..', '..');
const venv = join(root, '.peers', 'venv');
const peerPython =
  process.platform === 'win32' ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface Moto extends S3Server {
  /** From the next request on (or after this many), only what IAM allows is done. */
  enforceAccess(after?: number): Promise<void>;
  /** What the server has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** moto's server: S3 with versions, conditions and settings of buckets, and IAM. */
export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const child = spawn(peerPython, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('Running on')) resolve();
    });
    child.once('close', () => reject(new Error(`moto ended: ${said.slice(-2000)}`)));
  });
  const endpoint = `http://127.0.0.1:${port}`;
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
