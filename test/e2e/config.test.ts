import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.js';
import { sandbox } from '../support/sandbox.js';

const file = 'reviewops.config.yaml';
const password = 'geheim-88-pass';

interface Shown {
  file: string | null;
  profile: string;
  values: { key: string; value: unknown; source: string }[];
}

describe('config init', () => {
  it('writes a file that is valid, and replaces one only when told to', async () => {
    const cwd = await sandbox();
    const first = await runCli(['config', 'init', '--json'], { cwd });
    expect(first.json()).toMatchObject({
      status: 0,
      result: { file: join(cwd, file), replaced: false },
    });
    expect((await runCli(['config', 'check'], { cwd })).code).toBe(0);

    await writeFile(join(cwd, file), 'pipeline: {threads: 3}\n');
    const refused = await runCli(['config', 'init', '--json'], { cwd, input: 'y\n' });
    expect(refused.code).toBe(3);
    expect(refused.json().error).toMatchObject({
      code: 'CONFIRMATION_REQUIRED',
      hint: 'Run `reviewops config init --json --yes`.',
    });
    expect(await readFile(join(cwd, file), 'utf8')).toBe('pipeline: {threads: 3}\n');

    const replaced = await runCli(['config', 'init', '--yes', '--json'], { cwd });
    expect(replaced.json<{ replaced: boolean }>().result.replaced).toBe(true);
    expect(await readFile(join(cwd, file), 'utf8')).toContain('# threads: 2');
  });

  it('works over a file that is not valid', async () => {
    const cwd = await sandbox({ [file]: 'a: [' });
    expect((await runCli(['config', 'init', '--yes'], { cwd })).code).toBe(0);
  });
});

describe('config show', () => {
  it('names the origin of every value and masks secrets', async () => {
    const cwd = await sandbox({
      [file]: 'pipeline:\n  threads: 3\nprofiles:\n  prod:\n    serving:\n      table: facts\n',
      '.env': `NEON_DB_URL=postgres://app:${password}@db.invalid/x\n`,
    });
    const options = {
      cwd,
      env: { REVIEWOPS_PIPELINE_PARALLELISM: '4', REVIEWOPS_PSEUDONYM_KEY: 'pseudonym-key-77777' },
    };
    const args = ['config', 'show', '--profile', 'prod', '--home', 'state'];
    const [text, json] = await Promise.all([
      runCli(args, options),
      runCli([...args, '--json'], options),
    ]);
    const { values, profile } = json.json<Shown>().result;
    const value = (key: string) => values.find((entry) => entry.key === key);
    expect(profile).toBe('prod');
    expect(value('home')).toMatchObject({ value: join(cwd, 'state'), source: 'flag --home' });
    expect(value('pipeline.threads')).toMatchObject({ value: 3, source: `${file}:2` });
    expect(value('serving.table')).toMatchObject({
      value: 'facts',
      source: `profile prod (${file}:6)`,
    });
    expect(value('pipeline.parallelism')).toMatchObject({
      value: 4,
      source: 'environment REVIEWOPS_PIPELINE_PARALLELISM',
    });
    expect(value('database.port')).toMatchObject({ value: 0, source: 'default' });
    expect(value('NEON_DB_URL')).toMatchObject({ value: '***', source: join(cwd, '.env') });
    expect(value('REVIEWOPS_PSEUDONYM_KEY')).toMatchObject({ value: '***' });
    expect(text.stdout).toContain(`profile prod (${file}:6)`);
    for (const output of [text.stdout, text.stderr, json.stdout]) {
      expect(output).not.toContain(password);
      expect(output).not.toContain('pseudonym-key-77777');
    }
  });
});

describe('config check', () => {
  const check = async (text: string, env: Record<string, string> = {}) =>
    runCli(['config', 'check', '--json'], { cwd: await sandbox({ [file]: text }), env });

  it('checks every profile, chosen or not', async () => {
    const good = await check('profiles: {staging: {pipeline: {threads: 4}}}\n');
    expect(good.code).toBe(0);
    const { profiles } = good.json<{ profiles: { name: string }[] }>().result;
    expect(profiles.map(({ name }) => name)).toEqual(['dev', 'prod', 'staging']);

    const bad = await check('profiles: {staging: {pipeline: {threads: 0}}}\n');
    expect(bad.code).toBe(2);
    expect(bad.json().error.message).toContain(
      `${file}:1:42: profiles.staging.pipeline.threads must be a whole number from 1 to 128; it is 0`,
    );
  });

  it('adds up the weights of every profile', async () => {
    const result = await check('profiles: {prod: {pipeline: {score: {weights: {votes: 0.9}}}}}\n');
    expect(result.code).toBe(2);
    expect(result.json().error).toMatchObject({
      code: 'WEIGHTS_INVALID',
      message: expect.stringMatching(
        /^Profile prod: .*add up to[\s\S]*\.yaml:1\): pipeline\.score\.weights\.votes$/,
      ),
    });
  });

  it('checks the form of the database URL without repeating it', async () => {
    const result = await check('', { NEON_DB_URL: `http://app:${password}@h/d` });
    expect(result.code).toBe(2);
    expect(result.json().error.code).toBe('DATABASE_URL_INVALID');
    expect(result.stdout).not.toContain(password);
  });

  it('finds a lake that cannot be written', async () => {
    const cwd = await sandbox({ [file]: 'lake: {path: afile/lake}\n', afile: '' });
    const result = await runCli(['config', 'check', '--json'], { cwd });
    expect(result.code).toBe(1);
    const { findings } = result.json<{ findings: { message: string }[] }>().result;
    expect(findings[0]?.message).toContain(join(cwd, 'afile/lake'));
  });

  it('warns of a .env that others can read', async () => {
    const cwd = await sandbox({ '.env': 'NEON_DB_URL=postgres://h/d\n' });
    await chmod(join(cwd, '.env'), 0o644);
    const result = await runCli(['config', 'check', '--json'], { cwd });
    expect(result.json().warnings).toEqual([expect.stringContaining('chmod 600')]);
  });

  it('warns of what is not read in a .env, without repeating it', async () => {
    const cwd = await sandbox({ '.env': `A=1\nNEON_DB_URL postgres://u:${password}@h/d\n` });
    const result = await runCli(['config', 'check', '--json'], { cwd });
    expect(result.json().warnings).toEqual([
      `${join(cwd, '.env')}:2 is no NAME=VALUE, and is not read.`,
    ]);
    expect(result.stdout + result.stderr).not.toContain(password);
  });
});
