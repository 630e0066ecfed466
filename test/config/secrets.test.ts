import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadSecrets } from '../../src/config/secrets.js';
import { redact } from '../../src/system/redact.js';
import { sandbox } from '../support/sandbox.js';

const run = promisify(execFile);

async function secretsOf(root: string, environment: NodeJS.ProcessEnv = {}, configFile?: string) {
  const warnings: string[] = [];
  const notices: string[] = [];
  const secrets = await loadSecrets({
    home: join(root, 'state'),
    cwd: root,
    environment,
    configFile,
    warn: (message) => warnings.push(message),
    report: (event) => event.type === 'notice' && notices.push(event.message),
  });
  return { secrets, warnings, notices };
}

describe('the database URL', () => {
  it('comes from the environment, then the .env files, the alias last', async () => {
    const root = await sandbox({
      'conf/.env': 'NEON_DB_URL=postgres://conf/x\n',
      '.env': 'NEON_DB_URL=postgres://cwd/x\nDATABASE_URL=postgres://alias/x\n',
      'state/.env': 'NEON_DB_URL=postgres://state/x\n',
    });
    const file = join(root, 'conf', 'c.yaml');
    const url = async (environment: NodeJS.ProcessEnv, configFile?: string) =>
      (await secretsOf(root, environment, configFile)).secrets.databaseUrl;
    expect(await url({ NEON_DB_URL: 'postgres://own/x' }, file)).toBe('postgres://own/x');
    expect(await url({ NEON_DB_URL: '' }, file)).toBe('postgres://conf/x');
    expect(await url({})).toBe('postgres://cwd/x');
    expect(await url({ DATABASE_URL: 'postgres://alias2/x' })).toBe('postgres://cwd/x');
    expect(process.env.NEON_DB_URL).toBeUndefined();
  });

  it('is the alias where nothing else is set, and absent without', async () => {
    const root = await sandbox();
    const { secrets } = await secretsOf(root, { DATABASE_URL: 'postgresql://alias/x' });
    expect(secrets.databaseUrl).toBe('postgresql://alias/x');
    expect((await secretsOf(root)).secrets.databaseUrl).toBeUndefined();
  });

  it('must be a PostgreSQL URL, and the message does not repeat it', async () => {
    const root = await sandbox();
    const error = await secretsOf(root, { NEON_DB_URL: 'mysql://u:geheim99@h/d' }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'DATABASE_URL_INVALID', exitCode: 2 });
    expect(String(error)).not.toContain('geheim99');
  });

  it('is masked in everything printed from then on', async () => {
    const root = await sandbox();
    await secretsOf(root, { NEON_DB_URL: 'postgres://u:ge%2Fheim-7@h/d' });
    expect(redact('a ge/heim-7 b ge%2Fheim-7 c postgres://u:ge%2Fheim-7@h/d')).toBe(
      'a *** b *** c ***',
    );
  });
});

describe('a .env', () => {
  it('that others can read is warned of', async () => {
    const root = await sandbox({ '.env': 'NEON_DB_URL=postgres://cwd/x\n' });
    expect((await secretsOf(root)).warnings).toEqual([]);
    await chmod(join(root, '.env'), 0o644);
    expect((await secretsOf(root)).warnings).toEqual([
      `${join(root, '.env')} can be read by other users. Run \`chmod 600 ${join(root, '.env')}\`.`,
    ]);
  });
});

describe('the pseudonym key', () => {
  it('is made once, kept for this user only, and told of when the database is shared', async () => {
    const root = await sandbox({ 'state/.env': 'OTHER=1' });
    const first = await secretsOf(root, { NEON_DB_URL: 'postgres://h/x' });
    const key = await first.secrets.pseudonymKey();
    expect(key.length).toBe(43);
    expect(first.notices).toHaveLength(1);
    expect(first.notices[0]).toContain('needs the same REVIEWOPS_PSEUDONYM_KEY');
    expect(first.notices[0]).not.toContain(Buffer.from(key).toString());

    const again = await secretsOf(root);
    expect(await again.secrets.pseudonymKey()).toEqual(key);
    expect(again.notices).toEqual([]);
    const path = join(root, 'state', '.env');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toBe(
      `OTHER=1\nREVIEWOPS_PSEUDONYM_KEY=${Buffer.from(key).toString()}\n`,
    );
    expect(await readdir(join(root, 'state'))).toEqual(['.env']);
  });

  it('is the same for processes that make it at once', async () => {
    const root = await sandbox();
    const module = fileURLToPath(new URL('../../src/config/pseudonym-key.ts', import.meta.url));
    const script = `import(${JSON.stringify(module)}).then(async ({ createPseudonymKey }) => {
      console.log((await createPseudonymKey(${JSON.stringify(join(root, 'state'))})).value);
    });`;
    const keys = await Promise.all(
      Array.from({ length: 6 }, () =>
        run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]),
      ),
    );
    const distinct = new Set(keys.map(({ stdout }) => stdout.trim()));
    expect(distinct.size).toBe(1);
    const text = await readFile(join(root, 'state', '.env'), 'utf8');
    expect(text).toBe(`REVIEWOPS_PSEUDONYM_KEY=${[...distinct][0]}\n`);
  });

  it('goes on with a key that was elected before a crash', async () => {
    const root = await sandbox({ 'state/.pseudonym-key': 'elected-before-the-crash' });
    const { secrets } = await secretsOf(root);
    expect(Buffer.from(await secrets.pseudonymKey()).toString()).toBe('elected-before-the-crash');
    expect(await readdir(join(root, 'state'))).toEqual(['.env']);
  });

  it('is refused when it is short', async () => {
    const { secrets } = await secretsOf(await sandbox(), { REVIEWOPS_PSEUDONYM_KEY: 'short' });
    await expect(secrets.pseudonymKey()).rejects.toMatchObject({
      code: 'PSEUDONYM_KEY_WEAK',
      exitCode: 2,
    });
  });
});
