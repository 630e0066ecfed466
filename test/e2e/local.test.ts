import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedStatus } from '../../src/database/embedded/index.js';
import { passwordFile } from '../../src/database/embedded/record.js';
import { type CliOptions, type CliResult, runCli, startCli } from '../support/cli.js';
import { makeHome } from '../support/home.js';

const launcher = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const isRoot = process.getuid?.() === 0;

let place: Awaited<ReturnType<typeof makeHome>>;
const said: string[] = [];
beforeAll(async () => {
  place = await makeHome();
});
afterAll(() => place.remove());

/** Runs a command in the shared state directory and remembers what it said. */
const cli = async (args: string[], options: CliOptions = {}): Promise<CliResult> => {
  const result = await runCli(args, { cwd: place.parent, ...options });
  said.push(result.stdout, result.stderr);
  return result;
};

const status = async (): Promise<EmbeddedStatus> =>
  (await cli(['local', 'status', '--json'])).json<EmbeddedStatus>().result;

describe('local', () => {
  it('says that there is nothing yet, and makes nothing to say so', async () => {
    const { code, stdout } = await cli(['local', 'status']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('reviewops local start'),
    });
    for (const args of [['stop'], ['reset', '--confirm', 'local']]) {
      expect((await cli(['local', ...args])).code).toBe(0);
    }
    expect(existsSync(place.home)).toBe(false);
  });

  it('is one server, however many start it at once', async () => {
    const starts = await Promise.all(
      Array.from({ length: 10 }, () => cli(['local', 'start', '--json'])),
    );
    const results = starts.map((start) => start.json<EmbeddedStatus>());
    for (const { status, result } of results) {
      expect({ status, running: result.running }).toEqual({ status: 0, running: true });
    }
    expect(new Set(results.map(({ result }) => result.pid)).size).toBe(1);
    expect(new Set(results.map(({ result }) => result.url)).size).toBe(1);
  });

  it('says how to connect, without the password', async () => {
    const { stdout } = await cli(['local', 'status']);
    const { port } = await status();
    expect(stdout).toContain(
      `PGPASSFILE=${passwordFile(place.home)} psql -h 127.0.0.1 -p ${port} -U reviewops reviewops`,
    );
  });

  it('outlives the terminal that started it', async () => {
    await cli(['local', 'stop']);
    const shell = spawn(
      '/bin/sh',
      ['-c', `"$0" "$1" local start >/dev/null; echo up; sleep 60`, process.execPath, launcher],
      { cwd: place.parent, detached: true, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => shell.stdout.once('data', resolve));
    const before = await status();
    // A closed terminal hangs up on its whole process group; then nothing of it is left.
    process.kill(-(shell.pid ?? 0), 'SIGHUP');
    await new Promise((resolve) => shell.once('exit', resolve));
    expect(before.running).toBe(true);
    expect(await status()).toMatchObject({ running: true, pid: before.pid });
  });

  it('comes back after a kill, even to many at once', async () => {
    const { pid } = await status();
    process.kill(pid ?? 0, 'SIGKILL');
    const pings = await Promise.all(Array.from({ length: 4 }, () => cli(['db', 'ping', '--json'])));
    expect(pings.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const after = await status();
    expect(after.running).toBe(true);
    expect(after.pid).not.toBe(pid);
  });

  it('is not reset without being told so', async () => {
    const before = await status();
    for (const args of [[], ['--no-input'], ['--confirm', 'other']]) {
      const text = await cli(['local', 'reset', ...args]);
      const json = await cli(['local', 'reset', ...args, '--json']);
      expect([text.code, json.code]).toEqual([3, 3]);
      expect(json.json().error.hint).toMatch(/reviewops local reset .*--confirm local/);
    }
    const { result } = (await cli(['local', 'reset', '--dry-run', '--json'])).json();
    expect(result).toMatchObject({ removed: false, bytes: expect.any(Number) });
    expect(before.dataDirectory?.startsWith(String(result.directory))).toBe(true);
    expect(await status()).toMatchObject({ running: true, pid: before.pid });
  });

  it('shows its password to nobody', async () => {
    const password = readFileSync(passwordFile(place.home), 'utf8').trim().split(':').at(-1) ?? '';
    expect(password.length).toBeGreaterThan(20);
    for (const text of [...said, ...processes()]) expect(text).not.toContain(password);
  });

  it('is removed by a reset that was confirmed', async () => {
    const { dataDirectory } = await status();
    const { code, stdout } = await cli(['local', 'reset', '--confirm', 'local']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Deleted') });
    expect(existsSync(dataDirectory ?? '')).toBe(false);
    expect(await status()).toMatchObject({ running: false, dataDirectory: null });
  });

  it('names a port that is taken', async () => {
    const { createServer } = await import('node:net');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const file = `${place.parent}/taken.yaml`;
    await writeFile(file, `database:\n  port: ${port}\n`);
    const { code, stderr } = await cli(['local', 'start', '--config', file]);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toContain('PORT_TAKEN');
    expect(stderr).toContain(`${port}`);
    expect(stderr).toContain('database.port');
  });

  it('takes an empty --home, as an unset variable makes of it, for no directory', async () => {
    const { code, stderr } = await cli(['local', 'start', '--home', '']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('--home names no'),
    });
    expect(existsSync(join(place.parent, 'postgres'))).toBe(false);
  });

  it('names a state directory that cannot be one', async () => {
    const file = join(place.parent, 'a file');
    await writeFile(file, '');
    const odd = join(place.parent, 'a "b"');
    for (const home of [file, join(file, 'below'), odd]) {
      const { code, stderr } = await cli(['local', 'start', '--home', home]);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/HOME_UNSUITABLE[\s\S]*--home/),
      });
    }
    expect((await cli(['batch', 'list', '--home', file])).code).toBe(2);
  });

  it('prints a command to connect that a shell can run, wherever it lies', async () => {
    const home = join(place.parent, "it's a ünï home");
    const started = await cli(['local', 'start', '--home', home]);
    try {
      const command = /^connect +(.*)$/m.exec(started.stdout)?.[1] ?? '';
      expect(command).toMatch(/^PGPASSFILE=/);
      const shown = spawnSync('/bin/sh', [
        '-c',
        command.replace(/ psql .*/, ' && cat "$PGPASSFILE"'),
      ]);
      expect(shown.stdout.toString()).toContain(':reviewops:');
    } finally {
      await cli(['local', 'reset', '--home', home, '--confirm', 'local']);
    }
  });

  it('can be interrupted while it is set up', async () => {
    await cli(['local', 'reset', '--confirm', 'local']);
    const start = startCli(['local', 'start'], { cwd: place.parent });
    await start.waitFor(/Setting up/);
    const begun = performance.now();
    start.child.kill('SIGINT');
    const { code } = await start.result;
    expect(code).toBe(130);
    expect(performance.now() - begun).toBeLessThan(4000);
    expect((await cli(['db', 'ping'])).code).toBe(0);
  });
});

/** Command lines and environments of everything that runs here, as far as we may read them. */
function processes(): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => ['cmdline', 'environ'].map((file) => `/proc/${pid}/${file}`))
    .map((path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        // Gone meanwhile, or somebody else's.
        return '';
      }
    });
}

const nobody = 65_534;
const asNobody = { uid: nobody, gid: nobody, encoding: 'utf8', timeout: 50_000 } as const;
const reachable = (): boolean =>
  spawnSync(process.execPath, [launcher, '--version'], { ...asNobody, cwd: '/' }).status === 0;

describe.runIf(isRoot && reachable())(
  'local, for a user without rights (needs root, in a place that others can enter)',
  () => {
    it('works in a directory of theirs, without help from root', async () => {
      const own = await makeHome();
      chownSync(own.parent, nobody, nobody);
      const run = (...args: string[]) =>
        spawnSync(process.execPath, [launcher, ...args], {
          ...asNobody,
          cwd: own.parent,
          env: { PATH: process.env.PATH, HOME: own.parent },
        });
      try {
        const start = run('local', 'start', '--json');
        expect({ status: start.status, stderr: start.stderr }).toMatchObject({ status: 0 });
        const { result } = JSON.parse(start.stdout) as { result: EmbeddedStatus };
        expect(result).toMatchObject({ running: true, runAs: null });
        expect(result.dataDirectory?.startsWith(own.home)).toBe(true);
        expect(statSync(result.dataDirectory ?? '').uid).toBe(nobody);
        expect(run('db', 'init').status).toBe(0);

        // Root works on it as well, and leaves it theirs.
        expect((await runCli(['local', 'stop'], { cwd: own.parent })).code).toBe(0);
        expect((await runCli(['db', 'ping'], { cwd: own.parent })).code).toBe(0);
        expect(run('db', 'ping').status).toBe(0);
        expect(run('local', 'reset', '--confirm', 'local').status).toBe(0);
      } finally {
        await own.remove();
      }
    });

    it('tells who may when root set it up', async () => {
      const own = await makeHome();
      try {
        const open = `${own.parent}/open`;
        spawnSync('/bin/sh', ['-c', `mkdir -m 755 '${open}' && chmod 755 '${own.parent}'`]);
        const home = ['--home', open];
        expect((await runCli(['local', 'start', ...home])).code).toBe(0);
        const refused = spawnSync(process.execPath, [launcher, 'db', 'ping', ...home], {
          ...asNobody,
          cwd: '/',
          env: { PATH: process.env.PATH, HOME: '/nonexistent' },
        });
        expect(refused.status).toBe(1);
        expect(refused.stderr).toContain('PERMISSION_DENIED');
        expect((await runCli(['local', 'reset', ...home, '--confirm', 'local'])).code).toBe(0);
      } finally {
        await own.remove();
      }
    });
  },
);
