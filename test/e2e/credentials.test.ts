import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
import { readRotation } from '../../src/credentials/record.js';
import { secretForms } from '../../src/credentials/secret.js';
import { runCli, startCli } from '../support/cli.js';
import { watchProcesses } from '../support/process-watch.js';
import { logInWith, type RotationWorld, rotationWorld, stagingOf } from '../support/rotation.js';

let world: RotationWorld;
let env: Record<string, string>;
let sinkDirectory: string;

const program = `const fs=require('fs');const d=process.argv[1],s=process.env.REVIEWOPS_STAGE;const t=fs.readFileSync(0,'utf8');setTimeout(()=>s==='discard'?fs.rmSync(d+'/next',{force:true}):fs.writeFileSync(d+'/'+s,t),100)`;

beforeAll(async () => {
  world = await rotationWorld();
  sinkDirectory = join(world.root, 'sink');
  await mkdir(sinkDirectory);
  await mkdir(join(world.root, 'tmp'));
  const write = JSON.stringify([process.execPath, '-e', program, sinkDirectory]);
  await writeFile(
    join(world.root, 'reviewops.config.yaml'),
    [
      'health:',
      '  databasePasswordSetOn: 2020-01-01',
      'credentials:',
      '  database:',
      `    roles: [${world.a}, ${world.b}]`,
      `    owner: ${world.owner}`,
      '    soakHours: 0',
      '    sinks:',
      '      - kind: env-file',
      `      - { kind: command, write: ${write} }`,
      '',
    ].join('\n'),
  );
  env = {
    REVIEWOPS_DATABASE_ADMIN_URL: world.database.target.url,
    TMPDIR: join(world.root, 'tmp'),
  };
});
afterAll(() => world?.dispose());

const run = (...args: string[]) => runCli(args, { cwd: world.root, env });

/** Every file below the directory but those that are meant to hold the secret. */
async function filesBelow(directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const meant =
      [world.envFile, stagingOf(world.envFile)].includes(path) ||
      path.startsWith(`${sinkDirectory}/`);
    if (entry.isFile() && !meant) found.set(path, await readFile(path, 'latin1'));
  }
  return found;
}

/** What the server keeps or shows: the journal's copy, statements, its log. */
async function serverTexts(): Promise<string[]> {
  const rows = await world.admin.query<{ text: string }>(
    `SELECT event::text AS text FROM maintenance.runbook_events
     UNION ALL SELECT coalesce(query, '') FROM pg_stat_activity
     UNION ALL SELECT current_setting('data_directory')`,
  );
  const directory = rows.at(-1)?.text ?? '';
  const log = await readFile(join(dirname(directory), 'server.log'), 'latin1');
  return [...rows.map(({ text }) => text), log];
}

describe('the new password', () => {
  const stages = ['prepare', 'set-password', 'store', 'cut-over', 'lock', 'finish'];
  const points = stages.flatMap((step) => [
    `"type":"act.started","step":"${step}"`,
    `"id":"${step}","kind":"act"`,
  ]);

  it('is nowhere but in its sinks, also after a kill at each stage', {
    timeout: 300_000,
  }, async () => {
    await world.admin.execute("SET log_statement = 'none'");
    const database = new URL(world.database.target.url).pathname.slice(1);
    await world.admin.execute(`ALTER DATABASE "${database}" SET log_statement = 'all'`);
    const secrets = new Set<string>();
    const texts: [string, string][] = [];
    let kills = 0;
    let command = ['credentials', 'rotate', 'database', '--yes'];
    for (const point of [...points, 'the end']) {
      const cli = startCli([...command, '--format', 'jsonl', '--verbose'], {
        cwd: world.root,
        env,
      });
      const processes = watchProcesses(cli.child.pid ?? 0);
      await Promise.race([
        cli
          .waitFor(new RegExp(point.replace(/[{}"]/g, '\\$&')))
          .then(() => cli.child.kill('SIGKILL'))
          .catch(() => undefined),
        cli.result,
      ]);
      const { stdout, stderr, signal } = await cli.result;
      if (signal === 'SIGKILL') kills += 1;
      processes.stop();
      texts.push([`stdout until ${point}`, stdout], [`stderr until ${point}`, stderr]);
      for (const text of processes.seen) texts.push([`a process until ${point}`, text]);
      for (const [path, text] of await filesBelow(world.root)) texts.push([path, text]);
      for (const text of await serverTexts()) texts.push(['the server', text]);
      const home = join(world.root, '.reviewops');
      await readRotation(home, 'database', (value) => secrets.add(value));
      command = ['credentials', 'rotate', 'database', '--continue', '--yes'];
      const handed = await world.handedOut();
      await logInWith(handed);
      secrets.add(loginOf(handed).password ?? '');
    }
    // A stage may be over before the kill arrives; half are not.
    expect(kills).toBeGreaterThanOrEqual(points.length / 2);
    const url = await world.handedOut();
    expect(loginOf(url).user).toBe(world.b);
    const { password = '' } = loginOf(url);
    expect(secrets).toContain(password);
    expect(secrets).toContain(url);
    expect(JSON.parse(await readFile(join(sinkDirectory, 'current'), 'utf8'))).toEqual({
      NEON_DB_URL: url,
    });
    const hits = new Set<string>();
    for (const secret of [password, url]) {
      for (const form of secretForms(secret)) {
        for (const [where, text] of texts) if (text.includes(form)) hits.add(where);
      }
    }
    expect([...hits]).toEqual([]);
    expect(existsSync(stagingOf(world.envFile))).toBe(false);
    expect(texts.length).toBeGreaterThan(200);
    // The search would find it: the file that is meant to hold it does.
    expect(await readFile(world.envFile, 'utf8')).toContain(password);
    const status = await run('credentials', 'rotate', 'database', '--continue', '--json');
    expect(status.json().error.code).toBe('NO_ROTATION');
  });
});

describe('credentials status', () => {
  it('knows age, state, next due of each login, and never shows a secret', async () => {
    const { code, stdout } = await run('credentials', 'status', '--json');
    const { result } = JSON.parse(stdout) as {
      result: { credentials: Record<string, unknown>[] };
    };
    expect(code).toBe(0);
    expect(result.credentials).toEqual([
      expect.objectContaining({
        kind: 'database',
        id: world.b,
        state: 'ok',
        inUse: true,
        summary: expect.stringContaining('rotated here'),
        nextDue: expect.stringMatching(/^\d{4}-/),
      }),
      expect.objectContaining({ id: world.a, state: 'ok', inUse: false }),
    ]);
    const { password = '' } = loginOf(await world.handedOut());
    expect(stdout).not.toContain(password);
  });

  it('comes in every format of health', async () => {
    for (const [format, pattern] of [
      ['text', new RegExp(`ok +database +${world.b}`)],
      ['nagios', /^REVIEWOPS OK - /],
      ['prometheus', new RegExp(`check="credential-database-${world.b}"`)],
      ['junit', /<testsuites name="reviewops health"/],
    ] as const) {
      const { code, stdout } = await run('credentials', 'status', '--format', format);
      expect({ format, code }).toEqual({ format, code: 0 });
      expect(stdout).toMatch(pattern);
    }
  });
});

describe('credentials verify', () => {
  it('tries what the login must and must not be able to do', async () => {
    const right = await run('credentials', 'verify', '--json');
    expect(right.code).toBe(0);
    const { abilities } = right.json<{ abilities: { what: string; found: string }[] }>().result;
    expect(abilities).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ what: 'log in', id: world.b, expected: 'can', found: 'can' }),
        expect.objectContaining({ what: 'be superuser', expected: 'cannot', found: 'cannot' }),
        expect.objectContaining({ what: 'write the tables', expected: 'can', found: 'can' }),
        expect.objectContaining({ what: 'log in', id: world.a, found: 'cannot' }),
      ]),
    );
    await world.admin.execute(`ALTER ROLE ${world.owner} CREATEROLE`);
    await world.admin.execute(`REVOKE INSERT ON amazon.review FROM ${world.owner}`);
    const wrong = await run('credentials', 'verify');
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/wrong .* not be able to +create roles/);
    expect(wrong.stdout).toMatch(/wrong .* write the tables +amazon\.review/);
    await world.admin.execute(`ALTER ROLE ${world.owner} NOCREATEROLE`);
    await world.admin.execute(`GRANT INSERT ON amazon.review TO ${world.owner}`);
  });
});

describe('credentials rotate --due', () => {
  it('rotates what is due, once', async () => {
    const ledger = join(world.root, '.reviewops', 'credentials', 'ledger.json');
    const none = await run('credentials', 'rotate', '--due', '--yes', '--json');
    expect(none.code).toBe(0);
    expect(none.json().result).toMatchObject({
      due: [],
      rotations: [
        { kind: 'database', action: 'none' },
        { kind: 'aws', action: 'none' },
      ],
    });
    const entries = JSON.parse(await readFile(ledger, 'utf8')) as { madeAt: string }[];
    for (const entry of entries) entry.madeAt = '2020-01-01T00:00:00.000Z';
    await writeFile(ledger, JSON.stringify(entries));
    // What this database remembers of the first rotation would refuse one so soon after it.
    await world.admin.execute('DELETE FROM maintenance.runbook_events');
    await world.admin.execute('DELETE FROM maintenance.runbook_runs');
    const refused = await run('credentials', 'rotate', '--due', '--json');
    expect(refused.code).toBe(3);
    expect(refused.json().result).toMatchObject({
      due: [{ kind: 'database', id: world.b, state: 'critical' }],
      rotations: [{ kind: 'database', state: 'refused' }, { kind: 'aws' }],
    });
    const done = await run('credentials', 'rotate', '--due', '--yes', '--json');
    expect(done.json().result).toMatchObject({
      rotations: [{ kind: 'database', action: 'started', state: 'succeeded' }, { kind: 'aws' }],
    });
    expect(done.code).toBe(0);
    expect(loginOf(await world.handedOut()).user).toBe(world.a);
    const again = await run('credentials', 'rotate', '--due', '--yes', '--json');
    expect(again.json().result).toMatchObject({ due: [] });
  });
});
