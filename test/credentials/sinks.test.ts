import { chmod, lstat, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CommandSink } from '../../src/credentials/sinks/command.js';
import { EnvFileSink } from '../../src/credentials/sinks/env-file.js';
import { GithubSink } from '../../src/credentials/sinks/github.js';
import type { RunProgram } from '../../src/credentials/sinks/sink.js';
import { stagedIn } from '../../src/credentials/store.js';
import { runCommand } from '../../src/runbooks/engine/process.js';
import { registerSecret } from '../../src/system/redact.js';
import { startGithub } from '../support/github-api.js';
import { sandbox } from '../support/sandbox.js';

const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const old = { AWS_ACCESS_KEY_ID: 'AKIAOLD', AWS_SECRET_ACCESS_KEY: 'old/Secret+1' };
const fresh = { AWS_ACCESS_KEY_ID: 'AKIANEW', AWS_SECRET_ACCESS_KEY: 'new/Secret+2' };
const signal = new AbortController().signal;

describe('.env', () => {
  const text = '# ours\nAWS_ACCESS_KEY_ID=AKIAOLD\nAWS_SECRET_ACCESS_KEY=old/Secret+1\nLAST=1\n';

  it('stages beside what is handed out, then switches both values at once', async () => {
    const directory = await sandbox({ '.env': text });
    const path = join(directory, '.env');
    const sink = new EnvFileSink(path);
    await sink.probe();
    await sink.stage(fresh);
    expect(await sink.current(names)).toEqual(old);
    expect(await sink.staged(names)).toEqual(fresh);
    await sink.stage(fresh);
    await sink.promote(fresh);
    expect(await sink.current(names)).toEqual(fresh);
    expect(await sink.staged(names)).toBeUndefined();
    await sink.promote(old);
    expect(await readFile(path, 'utf8')).toBe(text);
    await sink.stage(fresh);
    await sink.unstage(names);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(directory)).toEqual(['.env']);
  });

  it('is readable by its owner only, and stays a link', async () => {
    const directory = await sandbox({ 'real.env': text });
    await chmod(join(directory, 'real.env'), 0o644);
    await symlink('real.env', join(directory, '.env'));
    await new EnvFileSink(join(directory, '.env')).promote(fresh);
    expect((await lstat(join(directory, '.env'))).isSymbolicLink()).toBe(true);
    expect((await stat(join(directory, 'real.env'))).mode & 0o777).toBe(0o600);
  });

  it('is made where there is none, and what a power cut left behind is removed', async () => {
    const directory = await sandbox({ '..env.next.tmp': 'AWS_SECRET_ACCESS_KEY=left' });
    const sink = new EnvFileSink(join(directory, '.env'));
    await sink.probe();
    expect(await readdir(directory)).toEqual([]);
    expect(await sink.current(names)).toBeUndefined();
    await sink.promote(fresh);
    expect(await sink.current(names)).toEqual(fresh);
  });
});

describe('a .env with more than ASCII', () => {
  it.each([
    ['latin-1', Buffer.from('NAME="Caf\xe9"\nAWS_SECRET_ACCESS_KEY=old\r\n# \xff\n', 'latin1')],
    ['UTF-8 with a mark of the byte order', Buffer.from('\ufeffAWS_SECRET_ACCESS_KEY=old # né\n')],
  ])('keeps every other byte: %s', async (_name, bytes) => {
    const directory = await sandbox();
    const path = join(directory, '.env');
    await writeFile(path, bytes, { mode: 0o600 });
    const sink = new EnvFileSink(path);
    const values = { AWS_SECRET_ACCESS_KEY: 'new/Secret+2' };
    await sink.stage(values);
    await sink.unstage(Object.keys(values));
    expect(await readFile(path)).toEqual(bytes);
    await sink.promote(values);
    expect(await sink.current(Object.keys(values))).toEqual(values);
    const expected = bytes.toString('latin1').replace('old', 'new/Secret+2');
    expect((await readFile(path)).toString('latin1')).toBe(expected);
  });
});

describe('a program of the operator', () => {
  const shown: string[] = [];
  const run: RunProgram = (words, { quiet, ...options }) =>
    runCommand({ signal, output: (line) => quiet || shown.push(line) }, words, options);

  it('gets the values on stdin, never as arguments', async () => {
    const directory = await sandbox();
    const write = ['sh', '-c', 'cat > "$0/$REVIEWOPS_STAGE"', directory];
    const read = ['sh', '-c', 'cat "$0/$REVIEWOPS_STAGE" 2>/dev/null || echo {}', directory];
    const sink = new CommandSink(write, read, run);
    await sink.stage(fresh);
    expect(await sink.staged(names)).toEqual(fresh);
    expect(await sink.current(names)).toBeUndefined();
    await sink.promote(fresh);
    expect(await sink.current(names)).toEqual(fresh);
    expect(JSON.parse(await readFile(join(directory, 'discard'), 'utf8'))).toEqual({});
    expect(shown).toEqual([]);
    registerSecret(fresh.AWS_SECRET_ACCESS_KEY);
    const careless = new CommandSink(['echo', fresh.AWS_SECRET_ACCESS_KEY], undefined, run);
    await expect(careless.stage(fresh)).rejects.toMatchObject({ code: 'SECRET_IN_ARGUMENTS' });
  });

  it('has failed when it says so', async () => {
    const sink = new CommandSink(['sh', '-c', 'exit 9'], undefined, run);
    expect(sink.readable).toBe(false);
    await expect(sink.stage(fresh)).rejects.toMatchObject({
      code: 'SINK_COMMAND_FAILED',
      message: 'command sh ended with status 9.',
    });
  });
});

describe('GitHub Actions', () => {
  it('gets a box that only GitHub can open', async () => {
    const github = await startGithub('acme/pipeline');
    onTestFinished(() => github.stop());
    const { api, token } = github;
    const options = { api, repository: 'acme/pipeline', name: 'KEY', environment: undefined };
    const sink = new GithubSink({ ...options, token, signal });
    await sink.probe();
    await sink.stage(fresh);
    expect([...github.secrets.keys()]).toEqual(['KEY__NEXT']);
    expect(await sink.hasStaged()).toBe(true);
    expect(await stagedIn([sink], Object.keys(fresh))).toEqual({ held: [sink.id], silent: [] });
    await sink.promote(fresh);
    expect([...github.secrets.keys()]).toEqual(['KEY']);
    expect(JSON.parse(github.secrets.get('KEY') ?? '')).toEqual(fresh);
    await sink.promote({ NEON_DB_URL: 'postgresql://one/value' });
    expect(github.secrets.get('KEY')).toBe('postgresql://one/value');
    expect(github.bodies.join()).not.toMatch(/Secret|postgresql/);
    await sink.unstage();
    expect(await sink.hasStaged()).toBe(false);
    expect(await stagedIn([sink], Object.keys(fresh))).toEqual({ held: [], silent: [] });

    github.refuse = 1;
    await expect(sink.stage(fresh)).rejects.toMatchObject({
      code: 'GITHUB_REFUSED',
      message: 'GitHub answers 403 when asked to write github acme/pipeline KEY.',
    });
    const stranger = new GithubSink({ ...options, token: 'ghp_wrong', signal });
    await expect(stranger.probe()).rejects.toMatchObject({ code: 'GITHUB_REFUSED' });
    const nobody = new GithubSink({ ...options, token: undefined, signal });
    await expect(nobody.probe()).rejects.toMatchObject({ code: 'GITHUB_TOKEN_MISSING' });
  });

  it('cannot be reached: said in words', async () => {
    const directory = await sandbox();
    await writeFile(join(directory, 'x'), '');
    const sink = new GithubSink({
      api: 'http://127.0.0.1:1',
      repository: 'acme/pipeline',
      name: 'KEY',
      environment: 'production',
      token: 'ghp_x',
      signal,
    });
    await expect(sink.probe()).rejects.toMatchObject({ code: 'GITHUB_UNREACHABLE', exitCode: 5 });
  });
});
