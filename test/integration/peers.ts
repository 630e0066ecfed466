import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Layer } from '../../src/lake/lake.js';
import { manifestKey } from '../../src/lake/layout.js';
import type { Manifest } from '../../src/lake/manifest.js';
import { runCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const root = join(import.meta.dirname, '..', '..');
const environment = join(root, '.peers', 'venv');
const python =
  process.platform === 'win32'
    ? join(environment, 'Scripts', 'python.exe')
    : join(environment, 'bin', 'python');

/** The key of the pseudonyms in these tests, as an operator would set it. */
export const pseudonymKey = 'a key for the comparison with Python';

/** Runs a program of peers/ and reads the JSON document it prints. */
export async function askPython<Answer>(program: string, ...args: string[]): Promise<Answer> {
  const { stdout } = await promisify(execFile)(python, [join(root, 'peers', program), ...args], {
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', REVIEWOPS_PSEUDONYM_KEY: pseudonymKey },
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout) as Answer;
}

/** A database and a state directory of their own, worked on by the built command line. */
export interface Site {
  lake: string;
  database: TestDatabase;
  cli<Result>(...args: string[]): Promise<Result>;
  manifest(layer: Layer, batchId: string): Promise<Manifest>;
  dispose(): Promise<void>;
}

export async function makeSite(): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'reviewops-peers-'));
  const database = await createTestDatabase();
  const lake = join(directory, '.reviewops', 'data');
  return {
    lake,
    database,
    cli: async <Result>(...args: string[]) => {
      const run = await runCli([...args, '--json'], {
        cwd: directory,
        env: { NEON_DB_URL: database.target.url, REVIEWOPS_PSEUDONYM_KEY: pseudonymKey },
        timeout: 110_000,
      });
      const document = run.json<Result>();
      if (run.code !== 0) throw new Error(JSON.stringify(document.error));
      return document.result;
    },
    manifest: async (layer, batchId) =>
      JSON.parse(await readFile(join(lake, manifestKey(layer, batchId)), 'utf8')) as Manifest,
    dispose: async () => {
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface PipelineRunResult {
  batchId: string;
  stages: { stage: string; rowsIn: number; rowsOut: number; rejected: number }[];
}
