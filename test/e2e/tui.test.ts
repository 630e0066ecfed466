import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys, openTerminal, type TestTerminal } from '../support/terminal.js';
import { approve, findRunbook, line, say, succeeds } from '../support/walk.js';
import { writeWalk } from '../support/walk-runbook.js';

describe('the full screen, built, in a pseudo-terminal', () => {
  let directory: string;
  let screen: TestTerminal;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reviewops-tui-'));
    await writeWalk(directory);
    await writeFile(join(directory, 'go'), '');
    screen = openTerminal([], { cwd: directory, columns: 80, rows: 24 });
  });
  afterAll(async () => {
    screen.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  it('walks from the symptom through form, plan and a no to the proof', async () => {
    await findRunbook(screen, 'tests want', 'sample-walk');
    screen.type(keys.enter);
    await screen.see('name:');
    await screen.enter('Wrong1');
    await screen.see('✗');
    screen.type('\u0015');
    await screen.lose('✗ ');
    screen.type(`${keys.down}${keys.down}${keys.enter}`);
    await screen.see('3 targets');
    await screen.see('Answer:');
    screen.type(`${keys.enter}${keys.enter}`);
    await screen.see('Enter alone answers nothing');
    await line(screen, 'no');
    await screen.see('The run was aborted.');
    screen.type(keys.esc);
    await screen.see('name:');
    screen.type(keys.enter);
    await approve(screen);
    await say(screen, 'told them');
    await succeeds(screen);
    screen.type('q');
    expect(await screen.ended).toMatchObject({ exitCode: 0 });
  });
});
