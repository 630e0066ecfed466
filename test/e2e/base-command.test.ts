import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type CliOptions, runCli, startCli } from '../support/cli.js';
import { sandbox } from '../support/sandbox.js';

const script = fileURLToPath(new URL('../fixtures/cli/run.js', import.meta.url));
const password = 'geheim-77-pass';
const env = { NEON_DB_URL: `postgresql://app:${password}@db.invalid/reviews` };

const run = (args: string[], options: CliOptions = {}) => runCli(args, { script, ...options });

/** The same command as text and with --json. */
const both = (args: string[], options: CliOptions = {}) =>
  Promise.all([run(args, options), run([...args, '--json'], options)]);

describe('exit codes', () => {
  it.each([
    ['done', 0],
    ['findings', 1],
    ['failed', 1],
    ['invalid', 2],
    ['refused', 3],
    ['partial', 4],
    ['unreachable', 5],
  ])('%s is %d, with and without --json', async (how, code) => {
    const [text, json] = await both(['outcome', how]);
    expect([text.code, json.code, json.json().status]).toEqual([code, code, code]);
    const failure = how !== 'done' && how !== 'findings';
    expect(text.stdout).toBe(failure ? '' : `done: ${how}\n`);
    expect(text.stderr).toContain('warning: a warning of this run\n');
    if (failure) {
      expect(text.stderr).toContain(`error: It is ${how}. [MADE_UP]\nnext: Do this.\n`);
      expect(json.json().error).toEqual({
        code: 'MADE_UP',
        message: `It is ${how}.`,
        hint: 'Do this.',
      });
    } else {
      expect(json.json()).toEqual({
        status: code,
        result: { how, when: '1970-01-01T00:00:00.000Z', big: '9007199254740993' },
        warnings: ['a warning of this run'],
      });
    }
  });

  it('a bug is 1; its stack shows with --verbose only, and never a secret', async () => {
    const [text, json] = await both(['bug'], { env });
    expect([text.code, json.code]).toEqual([1, 1]);
    expect(json.json().error).toMatchObject({ code: 'BUG', message: 'cannot read ***' });
    expect(text.stderr).not.toContain('at Bug.execute');
    const verbose = await run(['bug', '--verbose'], { env });
    expect(verbose.stderr).toContain('at Bug.execute');
    for (const { stdout, stderr } of [text, json, verbose]) {
      expect(stdout + stderr).not.toContain(password);
    }
  });
});

describe('parser errors', () => {
  const secretEnv = { FIXTURE_KIND: 'value-of-the-environment', FIXTURE_TIMES: 'env-number' };

  it.each([
    [['say', 'x', '--kind', 'fanzy'], {}, /--kind takes one of: plain, fancy; not "fanzy"/],
    [['say', 'x'], { FIXTURE_KIND: secretEnv.FIXTURE_KIND }, /not the value of FIXTURE_KIND/],
    [['say', 'x'], { FIXTURE_TIMES: secretEnv.FIXTURE_TIMES }, /--times: .*received: \*\*\*/],
    [['say', 'x', '--times', 'many'], {}, /--times: .*received: many/],
    [['say', 'x', '--kind'], {}, /--kind expects one of these values/],
    [['say', 'x', '--kind', 'plain', '--other', 'o-value'], {}, /--kind cannot also be provided/],
    [['say'], {}, /Missing: TEXT/],
  ])('%j', async (args, environment, message) => {
    const [text, json] = await both(args, { env: { ...env, ...environment } });
    expect([text.code, json.code]).toEqual([2, 2]);
    expect(json.json().error.code).toBe('USAGE_ERROR');
    expect(json.json().error.message).toMatch(message);
    expect(json.stderr).toBe('');
    const all = text.stdout + text.stderr + json.stdout;
    for (const hidden of [password, ...Object.values(secretEnv), 'o-value']) {
      expect(all).not.toContain(hidden);
    }
  });

  it('suggests the value that was meant', async () => {
    const { stderr } = await run(['say', 'x', '--kind', 'fanzy']);
    expect(stderr).toContain('Did you mean fancy?');
  });
});

describe('output', () => {
  it('cannot steer the terminal', async () => {
    const evil = '\\u001b]0;title\\u0007 \\u001b[2J \\u009b31m \\u202e ok';
    const [text, json] = await both(['say', evil], { env: { FORCE_COLOR: '1' } });
    for (const output of [text.stdout, text.stderr, json.stdout]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
      expect(output).not.toMatch(/\u001b\]|\u001b\[2J|\u0007|\u009b|\u202e/);
    }
    expect(text.stdout).toContain('\\u001b]0;title\\u0007');
    expect(json.json<{ text: string }>().result.text).toBe(JSON.parse(`"${evil}"`));
  });

  it('keeps progress on stderr in plain lines, and nothing but warnings under --quiet', async () => {
    const loud = await run(['say', 'x']);
    expect(loud.stderr).toBe('saying x\nsaying: 1 row (0.50 s)\n');
    const quiet = await run(['say', 'x', '--quiet']);
    expect(quiet.stderr).toBe('');
    const warned = await run(['outcome', 'done', '--quiet']);
    expect(warned.stderr).toBe('warning: a warning of this run\n');
  });

  it('hides what Node says to developers, except with --verbose', async () => {
    const { stderr } = await run(['say', 'x', '--verbose']);
    expect(stderr).toContain('DeprecationWarning: for developers only\n');
  });

  it('ends in silence when its reader goes away', async () => {
    const child = spawn(
      'bash',
      [
        '-c',
        `"${process.execPath}" "${script}" say x --quiet --times 300000 | head -1; echo "\${PIPESTATUS[0]}"`,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      stderr += String(chunk);
    });
    await new Promise((done) => child.on('close', done));
    expect({ stdout, stderr }).toEqual({ stdout: 'x\n0\n', stderr: '' });
  });

  it.skipIf(process.platform !== 'linux')(
    'fails when the result cannot be written (needs Linux)',
    async () => {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [script, 'say', 'x', '--quiet'], {
        stdio: ['ignore', full, 'pipe'],
      });
      let stderr = '';
      child.stderr?.on('data', (chunk) => {
        stderr += String(chunk);
      });
      const code = await new Promise((done) => child.on('close', done));
      expect(code).toBe(1);
      expect(stderr).toContain('The result could not be written');
    },
  );
});

describe('danger', () => {
  it('is refused off a terminal, with the exact command to run', async () => {
    const cases: [string[], string][] = [
      [['danger', '--moderate'], '`reviewops danger --moderate --yes`'],
      [['danger', '--name', "it's"], "`reviewops danger --name 'it'\\''s' --plan abc123`"],
      // Yes is not enough to destroy.
      [['danger', '--yes', '--confirm', 'other'], '`reviewops danger --plan abc123`'],
      [['danger', '--plan', 'stale'], '`reviewops danger --plan abc123`'],
    ];
    for (const [args, rerun] of cases) {
      const [text, json] = await both(args, { input: 'y\nthe things\n' });
      expect([text.code, json.code]).toEqual([3, 3]);
      expect(text.stderr).toContain(rerun);
      expect(text.stdout).toBe('');
    }
  });

  it.each([
    ['--moderate', '--yes'],
    ['--moderate', '-y'],
    ['--confirm', 'the things'],
    ['--plan', 'abc123'],
  ])('runs with %s %s', async (...flags) => {
    const { code, stdout } = await run(['danger', ...flags]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'changed\n' });
  });
});

describe('an interruption', () => {
  const scratchOf = async (cwd: string) => readdir(join(cwd, '.reviewops', 'tmp'));

  it.each([
    ['SIGINT', 'wait'],
    ['SIGTERM', 'wait'],
    ['SIGINT', 'wait --raw'],
  ] as const)('by %s ends %s cleanly with 130', async (signal, command) => {
    const cwd = await sandbox();
    const cli = startCli([...command.split(' '), '--json'], { script, cwd });
    await cli.waitFor(/waiting/);
    const sent = performance.now();
    cli.child.kill(signal);
    const result = await cli.result;
    expect(result.code).toBe(130);
    expect(performance.now() - sent).toBeLessThan(4000);
    expect(result.json()).toMatchObject({ status: 130, error: { code: 'INTERRUPTED' } });
    expect(result.stderr).toContain('Stopping waiting at a safe point');
    expect(await scratchOf(cwd)).toEqual([]);
  });

  it('while the program still loads is one document, too', async () => {
    // The signal comes as soon as anything listens to it, which is before the modules are there.
    const early =
      "process.on('newListener', (name) => name === 'SIGINT' && setImmediate(() => process.kill(process.pid, 'SIGINT')))";
    const env = { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(early)}"` };
    const [text, json] = await Promise.all([
      runCli(['batch', 'list'], { env }),
      runCli(['batch', 'list', '--json'], { env }),
    ]);
    expect([text.code, text.stdout, json.code]).toEqual([130, '', 130]);
    expect(json.json()).toEqual({
      status: 130,
      error: {
        code: 'INTERRUPTED',
        message: 'Interrupted before it began.',
        hint: 'Run it again.',
      },
    });
  });

  it('ends within two seconds even when the work does not stop; the next run cleans up', async () => {
    const cwd = await sandbox();
    const cli = startCli(['wait', '--stubborn', '--json'], { script, cwd });
    await cli.waitFor(/waiting/);
    const sent = performance.now();
    cli.child.kill('SIGINT');
    const result = await cli.result;
    expect(performance.now() - sent).toBeLessThan(4000);
    expect(result.code).toBe(130);
    expect(result.json().status).toBe(130);
    expect(await scratchOf(cwd)).toHaveLength(1);

    const next = startCli(['wait'], { script, cwd });
    await next.waitFor(/waiting/);
    expect(await scratchOf(cwd)).toHaveLength(1);
    next.child.kill('SIGINT');
    await next.result;
    expect(await scratchOf(cwd)).toEqual([]);
  });

  it('twice leaves at once', async () => {
    const cwd = await sandbox();
    const cli = startCli(['wait', '--stubborn'], { script, cwd });
    await cli.waitFor(/waiting/);
    cli.child.kill('SIGINT');
    await cli.waitFor(/Stopping/);
    const second = performance.now();
    cli.child.kill('SIGINT');
    const { code, stderr } = await cli.result;
    expect(performance.now() - second).toBeLessThan(1500);
    expect(code).toBe(130);
    expect(stderr).toContain('[INTERRUPTED]');
  });
});
