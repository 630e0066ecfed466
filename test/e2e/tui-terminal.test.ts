import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.js';
import {
  keys,
  openTerminal,
  type TerminalOptions,
  type TestTerminal,
} from '../support/terminal.js';
import { approve, findRunbook, line, say, startRun, succeeds } from '../support/walk.js';
import { writeWalk } from '../support/walk-runbook.js';

const launcher = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

/** Bytes of memory that a process holds. */
async function residentMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** Milliseconds from a key to what it does on the screen, for many keys. */
async function waits(screen: TestTerminal): Promise<number[]> {
  const all: number[] = [];
  for (let press = 0; press < 40; press += 1) {
    const [key, mark] = press % 2 === 0 ? ['j', /▸. What is touched/] : ['k', /▸. What does it/];
    const pressed = performance.now();
    screen.type(key as string);
    await screen.see(mark as RegExp);
    all.push(performance.now() - pressed);
  }
  return all;
}

/** Between two collections memory grows: what is left after one is what is held. In bytes. */
async function lowestMemory(pid: number): Promise<number> {
  let lowest = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < 20; sample += 1) {
    lowest = Math.min(lowest, await residentMemory(pid));
    await delay(150);
  }
  return lowest;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;

describe('the full screen and its terminal', () => {
  let directory: string;
  const open: TestTerminal[] = [];

  const terminal = (args: string[] = [], options: Partial<TerminalOptions> = {}): TestTerminal => {
    const { env = {}, ...rest } = options;
    const opened = openTerminal(args, {
      cwd: directory,
      columns: 80,
      rows: 24,
      env: { REVIEWOPS_OPERATOR: 'ada', ...env },
      ...rest,
    });
    open.push(opened);
    return opened;
  };

  /** The state of the last run, as the journal has it. */
  const lastRun = async (): Promise<{ runId: string; state: string; entries: string }> => {
    const runs = join(directory, '.reviewops', 'runs');
    const names = (await readdir(runs)).filter((name) => name.endsWith('.jsonl')).sort();
    const name = names.at(-1) ?? '';
    const entries = await readFile(join(runs, name), 'utf8');
    const { json } = await runCli(['runbook', 'history', '--json'], { cwd: directory });
    const [run] = json<{ runs: { runId: string; state: string }[] }>().result.runs;
    return { runId: name.replace('.jsonl', ''), state: run?.state ?? '', entries };
  };

  /** From the first screen to the question of the sample. */
  const toQuestion = async (screen: TestTerminal): Promise<void> => {
    await findRunbook(screen, 'tests want', 'sample-walk');
    await startRun(screen);
    await screen.see('Answer:');
  };

  const toAct = async (screen: TestTerminal): Promise<void> => {
    await toQuestion(screen);
    await approve(screen);
    await screen.see(/Touch the thin\S* +running/);
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reviewops-terminal-'));
    await writeWalk(directory);
  });
  afterEach(async () => {
    for (const one of open.splice(0)) one.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  it('asks for name and count, records who said what, and leaves the terminal as it was', async () => {
    const screen = terminal();
    await toQuestion(screen);
    await line(screen, 'yes');
    await screen.see('Not an answer: sample 3, no or later.');
    await line(screen, 'sample 3');
    await screen.see(/Touch the thin\S* +running/);
    screen.type('n');
    await screen.see('Note for the journal');
    await line(screen, 'the disk was full');
    await screen.see('Noted.');
    await writeFile(join(directory, 'go'), '');
    await say(screen, 'told them by phone');
    await succeeds(screen);
    const { entries, state } = await lastRun();
    expect(state).toBe('succeeded');
    expect(entries).toContain('"how":"typed name and count"');
    expect(entries).toMatch(/"type":"note","by":"ada","text":"the disk was full"/);
    expect(entries).toContain('told them by phone');
    screen.type('q');
    expect((await screen.ended).exitCode).toBe(0);
    const given = screen.raw().slice(screen.raw().lastIndexOf('\u001b[?25h'));
    expect(given).toContain('\u001b[?1049l');
    await screen.see('sample-walk succeeded');
  });

  it('drops keys that were typed before the question was there', async () => {
    const screen = terminal();
    await screen.see('corrupt-batch');
    screen.type('/');
    await screen.see('What do you see?');
    await screen.enter('tests want');
    // All in one: the keys after the start reach the program before its question does.
    screen.type(
      `${keys.enter}${keys.enter}${keys.enter}${keys.down}${keys.down}${keys.enter}sample 3${keys.enter}`,
    );
    await screen.see('Answer:');
    expect(screen.screen()).not.toContain('sample 3\n');
    expect((await lastRun()).entries).not.toContain('approval.given');
  });

  it('skips a manual step with a reason', async () => {
    await writeFile(join(directory, 'go'), '');
    const screen = terminal();
    await toQuestion(screen);
    await line(screen, 'sample 3');
    await screen.see('Say what you did');
    await screen.see('Answer:');
    screen.type(keys.tab);
    await screen.see('Enter leads to the answer.');
    screen.type('S');
    await screen.see('Why is tell skipped?');
    await line(screen, 'nobody is awake');
    await succeeds(screen);
    expect((await lastRun()).entries).toContain('Skipped by ada: nobody is awake');
  });

  it('Ctrl-C stops at a safe point; the run is resumed from the first screen', async () => {
    const screen = terminal();
    await toAct(screen);
    screen.type(keys.ctrlC);
    await screen.see('The run was interrupted.');
    expect((await lastRun()).state).toBe('interrupted');
    await writeFile(join(directory, 'go'), '');
    screen.type('r');
    await say(screen, 'told');
    await succeeds(screen);
  });

  it('killed in the middle: the next start finds it interrupted and goes on with it', async () => {
    const killed = terminal();
    await toAct(killed);
    killed.pty.kill('SIGKILL');
    await killed.ended;
    await writeFile(join(directory, 'go'), '');
    const screen = terminal();
    await screen.see('To go on with (1)');
    screen.type('3');
    await screen.see(/▸ \? interrupted +sample-walk/);
    screen.type(keys.enter);
    await say(screen, 'told');
    await succeeds(screen);
    expect((await lastRun()).entries).toContain('"type":"run.resumed"');
  });

  it('a closed terminal: the run is journaled as interrupted', async () => {
    const screen = terminal();
    await toAct(screen);
    screen.pty.kill('SIGHUP');
    await screen.ended;
    const { state, entries } = await lastRun();
    expect(state).toBe('interrupted');
    // It ended by itself, at its safe point: nobody had to find it.
    expect(entries).toContain('"state":"interrupted"');
    expect(entries).not.toContain('Its process ended without a word.');
  });

  it('a terminal that is gone: it ends by that signal, not by a crash', async () => {
    const screen = terminal();
    await screen.see('corrupt-batch');
    screen.hangUp();
    expect((await screen.ended).signal).toBe(constants.signals.SIGHUP);
  });

  it('leaves while a run goes on only after that was typed', async () => {
    const screen = terminal();
    await toAct(screen);
    screen.type('q');
    await screen.see('A run goes on.');
    screen.type(keys.enter);
    await screen.see('Type exactly: leave');
    await line(screen, 'leave');
    expect((await screen.ended).exitCode).toBe(130);
    await screen.see('runbook resume run_');
    expect((await lastRun()).state).toBe('interrupted');
  });

  it('Ctrl-Z gives the shell back, fg the screen', async () => {
    const screen = terminal([], { command: ['bash', '--norc', '-i'], env: { PS1: 'shell> ' } });
    await screen.see('shell>');
    screen.type(`${process.execPath} ${launcher}\r`);
    await screen.see('corrupt-batch');
    screen.type(keys.ctrlZ);
    await screen.see(/Stopped/);
    screen.type('echo $((6*7))\r');
    await screen.see('42');
    screen.type('fg\r');
    await screen.see(/▸ corrupt-batch/);
    screen.type('j');
    await screen.see(/▸ database-connection/);
    screen.type('q');
    await screen.see(/shell>$/);
  });

  it('is drawn whole after every resize; too small, it says so and waits', async () => {
    const screen = terminal();
    await toQuestion(screen);
    screen.resize(250, 80);
    await screen.see(/^.{200}[\s\S]*Answer:[\s\S]*Enter answer/m);
    screen.resize(60, 12);
    await screen.see('This terminal has 60×12; at least 80×24 are needed.');
    screen.type('sample 3\r');
    // Once this is drawn, what was typed before has been read, and by whom it should.
    screen.resize(61, 12);
    await screen.see('This terminal has 61×12;');
    screen.resize(80, 24);
    await screen.see('Answer:');
    expect(screen.screen()).not.toContain('Answer: sample');
    for (let columns = 80; columns < 120; columns += 3) screen.resize(columns, 24 + (columns % 7));
    screen.resize(100, 30);
    await screen.see('Answer:');
    expect(screen.screen().split('\n')[0]).toMatch(/^reviewops {2}Home › sample-walk/);
    await line(screen, 'later');
    await screen.see('The run waits.');
  });

  it('shows hostile data harmlessly', async () => {
    const screen = terminal();
    await toQuestion(screen);
    screen.type(`${keys.tab}3`);
    await screen.see('│ xxxx');
    screen.type(`${keys.tab}g`);
    await screen.see(/\\u001b\]0;owned\\u0007/);
    const text = screen.screen();
    expect(text).toContain('\\u001b[2J');
    expect(text).toContain('\\u202egnp.exe');
    // The frame stands where it stood: every line has its rule in the same column.
    const lines = text.split('\n').slice(1, 20);
    for (const line of lines) expect(line[31]).toBe('│');
    expect(screen.raw()).not.toContain('\u001b]0;');
  });

  it('answers keys at once while 10,000 lines a second come, in flat memory', {
    timeout: 180_000,
  }, async () => {
    await writeWalk(directory, { flood: true });
    const screen = terminal([], { columns: 200, rows: 50 });
    await screen.see('corrupt-batch');
    screen.type(':');
    await line(screen, 'sample-walk');
    await screen.see('Steps (');
    const quiet = await waits(screen);
    screen.type(keys.enter);
    await screen.see('Look only');
    screen.type(`${keys.down}${keys.enter}3`);
    await screen.see(/line \d{4,} of the flood/);
    const flooded = await waits(screen);
    // Measured with the reading of the screen by this test, on a machine that may have much to do.
    expect(median(flooded)).toBeLessThan(Math.max(150, 3 * median(quiet)));
    const printed = () =>
      Math.max(
        0,
        ...[...screen.screen().matchAll(/line (\d+) of/g)].map(([, line]) => Number(line)),
      );
    const reaches = (line: number) =>
      expect.poll(printed, { timeout: 60_000, interval: 200 }).toBeGreaterThan(line);
    // By then the lines that are kept are as many as there will ever be.
    await reaches(40_000);
    const before = await lowestMemory(screen.pty.pid);
    await reaches(printed() + 50_000);
    expect((await lowestMemory(screen.pty.pid)) - before).toBeLessThan(40_000_000);
    await writeFile(join(directory, 'enough'), '');
    await screen.see('The run was planned.', 40_000);
    expect(screen.screen()).not.toContain('critical');
  });

  it('does without colours', async () => {
    const screen = terminal([], { env: { NO_COLOR: '1' } });
    await screen.see('corrupt-batch');
    // Weight and reversal only.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how styles begin
    const styles = screen.raw().matchAll(/\u001b\[([\d;]+)m/g);
    const codes = new Set([...styles].map(([, code]) => code));
    for (const code of codes) expect(['0', '1', '2', '7', '22', '27']).toContain(code);
  });

  it('read-only: the engine refuses, until somebody types otherwise', async () => {
    const screen = terminal(['--read-only']);
    await screen.see('READ-ONLY');
    await screen.see('corrupt-batch');
    screen.type(':');
    await line(screen, 'sample-walk');
    await screen.see('Steps (');
    await startRun(screen);
    await screen.see('this session is read-only');
    screen.type(':');
    await line(screen, 'allow-changes');
    await screen.see('Type allow changes');
    await line(screen, 'allow changes');
    await screen.lose('READ-ONLY');
  });

  it('without a terminal: help as ever, and an error for the command', async () => {
    const help = await runCli([], { cwd: directory });
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('USAGE')]);
    const { code, stderr } = await runCli(['tui'], { cwd: directory });
    expect([code, stderr]).toEqual([2, expect.stringContaining('NO_TERMINAL')]);
  });

  it('says the same in lines, for screen readers', async () => {
    await writeFile(join(directory, 'go'), '');
    const screen = terminal(['--screen-reader'], { columns: 120, rows: 60 });
    await screen.see('corrupt-batch');
    screen.type('/ tests want a walk\r');
    await screen.see(/1\. sample-walk/);
    screen.type('1\r');
    await screen.see('Type start for its inputs');
    screen.type('start\r');
    await screen.see('Input name (string');
    screen.type('\r');
    await screen.see('Type look or run');
    screen.type('run\r');
    await screen.see('Type sample 3 to approve');
    screen.type('sample 3\r');
    await screen.see('Say what you did');
    screen.type('told them\r');
    await screen.see(/^succeeded/m);
    expect(screen.raw()).not.toContain('\u001b[');
    screen.type('quit\r');
    expect((await screen.ended).exitCode).toBe(0);
  });
});
