import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PingResult } from '../../src/database/ping.js';
import { runCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { sandbox } from '../support/sandbox.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
});
afterAll(() => database.drop());

const against = (change: (url: URL) => void = () => undefined) => {
  const url = new URL(database.target.url);
  url.search = '';
  change(url);
  return { env: { NEON_DB_URL: url.href } };
};

describe('before db init', () => {
  it.each([
    ['pipeline', 'run'],
    ['pipeline', 'status'],
    ['incident', 'list'],
  ])('%s %s says what comes first, and takes it for no incident', async (...args) => {
    const cwd = await sandbox();
    const { code, json } = await runCli([...args, '--json'], { ...against(), cwd });
    expect(code).toBe(2);
    expect(json()).toMatchObject({
      error: { code: 'SCHEMA_MISSING', hint: expect.stringContaining('reviewops db init') },
    });
    expect(existsSync(join(cwd, '.reviewops', 'incidents', 'spool'))).toBe(false);
  });
});

describe('db init', () => {
  it('makes the schema, and says what it found the second time', async () => {
    const first = await runCli(['db', 'init', '--json'], against());
    expect(first.json()).toEqual({
      status: 0,
      result: {
        applied: expect.arrayContaining([
          expect.stringMatching(/^maintenance\//),
          expect.stringMatching(/^source\//),
          expect.stringMatching(/^serving\//),
        ]),
        alreadyApplied: 0,
        schema: 'current',
        target: database.target.description,
      },
      warnings: [],
    });
    const second = await runCli(['db', 'init'], against());
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('is current') });
  });

  it('refuses a newer schema', async () => {
    const client = await database.client();
    const later = `'20991231000000000_later'`;
    await client.execute(
      `INSERT INTO maintenance.migrations (name, run_on) VALUES (${later}, now())`,
    );
    const cwd = await sandbox();
    const init = await runCli(['db', 'init', '--json'], against());
    const run = await runCli(['pipeline', 'run', '--json'], { ...against(), cwd });
    await client.execute(`DELETE FROM maintenance.migrations WHERE name = ${later}`);
    for (const { code, json } of [init, run]) {
      expect(code).toBe(2);
      expect(json().error).toMatchObject({ code: 'SCHEMA_NEWER' });
    }
    // Before anything was extracted, and it is no incident that a program is too old.
    expect(existsSync(join(cwd, '.reviewops', 'data', 'bronze'))).toBe(false);
    expect(existsSync(join(cwd, '.reviewops', 'incidents', 'spool'))).toBe(false);
  });
});

describe('db ping', () => {
  it('says what answers', async () => {
    const { code, json } = await runCli(['db', 'ping', '--json'], against());
    expect(code).toBe(0);
    expect(json<PingResult>().result).toMatchObject({
      server: expect.stringMatching(/^18\./),
      role: 'reviewops',
      tls: { on: false },
      endpoint: 'loopback',
      kind: 'external',
      schema: 'current',
    });
    const text = await runCli(['db', 'ping'], against());
    expect(text.stdout).toContain('PostgreSQL 18.');
  });

  it.each([
    ['DATABASE_PASSWORD_REJECTED', 5, (url: URL) => (url.password = 'kX9-wrong')],
    ['DATABASE_NOT_FOUND', 5, (url: URL) => (url.pathname = '/nothing')],
    ['DATABASE_UNREACHABLE', 5, (url: URL) => (url.port = '1')],
    ['DATABASE_TLS_MISSING', 5, (url: URL) => (url.search = '?sslmode=require')],
    ['DATABASE_TLS_REQUIRED', 2, (url: URL) => (url.hostname = 'db.example.org')],
  ])('ends with %s, status %i', async (code, status, change) => {
    const options = against((url) => {
      url.password = 'kX9-secret';
      if (code !== 'DATABASE_PASSWORD_REJECTED')
        url.password = new URL(database.target.url).password;
      change(url);
    });
    const secret = new URL(options.env.NEON_DB_URL).password;
    const [text, json] = await Promise.all([
      runCli(['db', 'ping', '--verbose'], options),
      runCli(['db', 'ping', '--json'], options),
    ]);
    expect([text.code, json.code]).toEqual([status, status]);
    expect(json.json().error).toMatchObject({ code, hint: expect.any(String) });
    expect(text.stdout).toBe('');
    for (const output of [text.stderr, json.stdout, json.stderr]) {
      expect(output).not.toContain(secret);
    }
  });

  it('says that the URL holds no password where one is asked for', async () => {
    const { code, stderr } = await runCli(
      ['db', 'ping'],
      against((url) => (url.password = '')),
    );
    expect(code).toBe(5);
    expect(stderr).toContain('[DATABASE_PASSWORD_MISSING]');
    expect(stderr).not.toContain('SASL');
  });

  it('refuses a URL it cannot read, without showing it', async () => {
    const env = { NEON_DB_URL: 'postgres//app:kX9-geheim@host/db' };
    const { code, stdout, stderr } = await runCli(['db', 'ping', '--json'], { env });
    expect(code).toBe(2);
    expect(JSON.parse(stdout).error.code).toBe('DATABASE_URL_INVALID');
    expect(stdout + stderr).not.toContain('kX9-geheim');
  });
});
