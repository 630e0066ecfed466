import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import {
  keys,
  openTerminal,
  type TerminalOptions,
  type TestTerminal,
} from '../support/terminal.js';
import { insertReviews } from '../support/world.js';

const batchId = '20260102_030405';

describe('the full screen, built, in a pseudo-terminal', () => {
  let database: TestDatabase;
  let directory: string;
  const open: TestTerminal[] = [];

  const terminal = (options: Partial<TerminalOptions> = {}, args: string[] = []): TestTerminal => {
    const { env = {}, ...rest } = options;
    const opened = openTerminal(args, {
      cwd: directory,
      env: { NEON_DB_URL: database.target.url, REVIEWOPS_OPERATOR: 'ada', ...env },
      ...rest,
    });
    open.push(opened);
    return opened;
  };
  const cli = (...args: string[]) =>
    runCli([...args, '--json'], { cwd: directory, env: { NEON_DB_URL: database.target.url } });

  beforeAll(async () => {
    database = await createTestDatabase();
    await insertReviews(await database.client(), 300);
    directory = await mkdtemp(join(tmpdir(), 'reviewops-tui-'));
    expect((await cli('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.dispose();
  });
  afterAll(async () => {
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  });

  it('walks from the symptom to the verified repair; declines first', async () => {
    await rm(join(directory, '.reviewops', 'data', 'gold'), { recursive: true });
    const screen = terminal({ columns: 80, rows: 24 });
    await screen.see('corrupt-batch');
    screen.type('/');
    await screen.see('What do you see?');
    await screen.enter('no best review');
    screen.type(keys.enter);
    await screen.see(/▸ gold-incomplete .* no best review/);
    screen.type(keys.enter);
    await screen.see('Steps (');
    screen.type(keys.enter);
    await screen.see('batchId:');
    await screen.enter('2026');
    await screen.see('is no batch id');
    screen.type('\u0015');
    await screen.lose('is no batch id');
    await screen.enter(batchId);
    screen.type(`${keys.enter}${keys.down}${keys.enter}`);
    await screen.see('Type yes to approve');
    await screen.see('Answer:');
    screen.type(`${keys.enter}${keys.enter}`);
    await screen.see('Enter alone answers nothing');
    await screen.enter('no');
    screen.type(keys.enter);
    await screen.see('The run aborted.');
    screen.type(keys.esc);
    await screen.see('batchId:');
    screen.type(keys.enter);
    await screen.see('Type yes to approve');
    await screen.see('Answer:');
    await screen.enter('yes');
    screen.type(keys.enter);
    await screen.see('The run succeeded.');
    screen.type('q');
    expect(await screen.ended).toMatchObject({ exitCode: 0 });
    expect((await cli('product', 'best', 'P7')).code).toBe(0);
  });
});
