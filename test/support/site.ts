import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseClient } from '../../src/database/client.js';
import { type CliResult, runCli } from './cli.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { openTerminal, type TerminalOptions, type TestTerminal } from './terminal.js';
import { insertReviews } from './world.js';

/** A shop whose reviews are published: what operators sit in front of. */
export interface Site {
  database: TestDatabase;
  client: DatabaseClient;
  directory: string;
  batchId: string;
  /** A path in the lake. */
  lake(...path: string[]): string;
  /** Runs a command, with variables added to the environment. */
  cli(args: readonly string[], env?: Record<string, string>): Promise<CliResult>;
  /** Opens the program in a pseudo-terminal, which `close` or `dispose` ends. */
  terminal(args?: readonly string[], options?: Partial<TerminalOptions>): TestTerminal;
  close(): void;
  dispose(): Promise<void>;
}

/** One batch, from the source to the serving table, made by the built program. */
export async function makeSite(reviews: number): Promise<Site> {
  const batchId = '20260102_030405';
  const database = await createTestDatabase();
  const client = await database.client();
  await insertReviews(client, reviews);
  const directory = await mkdtemp(join(tmpdir(), 'reviewops-site-'));
  const open: TestTerminal[] = [];
  const environment = { NEON_DB_URL: database.target.url, REVIEWOPS_OPERATOR: 'ada' };
  const close = () => {
    for (const one of open.splice(0)) one.dispose();
  };
  const site: Site = {
    database,
    client,
    directory,
    batchId,
    lake: (...path) => join(directory, '.reviewops', 'data', ...path),
    cli: (args, env = {}) => runCli([...args], { cwd: directory, env: { ...environment, ...env } }),
    terminal: (args = [], { env = {}, ...options } = {}) => {
      const terminal = openTerminal(args, {
        cwd: directory,
        env: { ...environment, ...env },
        ...options,
      });
      open.push(terminal);
      return terminal;
    },
    close,
    dispose: async () => {
      close();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  const made = await site.cli(['pipeline', 'run', '--batch-id', batchId]);
  if (made.code !== 0) throw new Error(made.stderr);
  return site;
}
