// Records docs/tui-walk.md: a real walk on a database and a lake of its own, from the symptom to the
// proof, frame by frame. `npx tsx scripts/record-walk.mts`; takes about a minute.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { keys, openTerminal, type TestTerminal } from '../test/support/terminal.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/tui-walk.md');
const directory = mkdtempSync(join(tmpdir(), 'reviewops-walk-'));
const environment = { PATH: process.env.PATH ?? '', HOME: directory, REVIEWOPS_OPERATOR: 'ada' };

const reviewops = (...args: string[]): void => {
  execFileSync(process.execPath, [join(root, 'bin/run.js'), ...args], {
    cwd: directory,
    env: environment,
    stdio: 'ignore',
  });
};

const frames: string[] = [];

/** The screen once nothing is drawn any more: a frame is not to be recorded by half. */
async function settled(screen: TestTerminal): Promise<string> {
  for (let before = screen.screen(); ; ) {
    await delay(400);
    const now = screen.screen();
    if (now === before) return now;
    before = now;
  }
}

try {
  reviewops('db', 'init');
  reviewops('db', 'import', '--sample', '2000');
  reviewops('pipeline', 'run', '--batch-id', '20260102_030405');
  // What is lost, as somebody finds it at 3 a.m.
  rmSync(join(directory, '.reviewops/data/gold'), { recursive: true });

  const screen = openTerminal([], { cwd: directory, columns: 100, rows: 26, env: environment });
  const show = async (what: string, until: RegExp | string): Promise<void> => {
    await screen.see(until, 60_000);
    const text = await settled(screen);
    // The directory is this recording's own.
    frames.push(`${what}\n\n\`\`\`text\n${text.replaceAll(directory, '~')}\n\`\`\``);
  };

  await screen.see('embedded database');
  await show('It opens with the system at a glance.', /critical +gold/);
  screen.type('/');
  await screen.see('What do you see?');
  await screen.enter('no best review');
  await show('`/` and what is seen find the runbook.', 'gold-incomplete');
  screen.type(`${keys.enter}${keys.enter}`);
  await show('Enter opens it, to be read first.', 'By hand:');
  screen.type(keys.enter);
  await show('Enter leads to the inputs and the starts.', 'Look only');
  screen.type(`${keys.down}${keys.down}${keys.enter}`);
  await show('It looks, plans, and asks. Enter alone answers nothing.', 'Answer:');
  await screen.enter('yes');
  screen.type(keys.enter);
  await show('What was approved is done, and proven.', 'The run succeeded.');
  screen.type('5');
  await show('`5` shows what happened; the journal keeps it.', 'approved by ada');
  screen.type('q');
  await screen.ended;
  screen.dispose();
  const head = '<!-- Recorded by `npx tsx scripts/record-walk.mts`; do not edit. -->\n\n# A walk';
  writeFileSync(page, `${[head, ...frames].join('\n\n')}\n`);
} finally {
  reviewops('local', 'stop');
  rmSync(directory, { recursive: true, force: true });
}
