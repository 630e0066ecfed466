import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCli } from '../../support/cli.js';
import { makePrivacyWorld, type PrivacyWorld } from '../support.js';

/** Long enough that they stand nowhere by chance. */
const odd: [string, string][] = [
  ['with a quote', "O'Brien-1815-secret"],
  ['with SQL in it', "x'; DROP TABLE amazon.review-- secret"],
  ['with a percent sign', 'secret%1815%'],
  ['with an underscore', 'secret_1815_'],
  ['with a backslash', 'secret\\1815\\n'],
  ['from right to left', '\u202esecret-1815\u202c'],
  ['in NFD', 'secre\u0301t-1815'],
  ['in NFC', 'secr\u00e9t-1815'],
  ['of 10 kB', `secret${'x'.repeat(10_234)}`],
];

let world: PrivacyWorld;
let words = '';
const env = () => ({
  NEON_DB_URL: world.database.target.url,
  REVIEWOPS_PSEUDONYM_KEY: 'a key of the tests, long enough',
  REVIEWOPS_LAKE_PATH: `${world.root}/data`,
});

/** Runs the built program in the world's directory; what it says and how it looks to `ps` is kept. */
async function cli(args: string[], input?: string) {
  const running = startCli(args, {
    cwd: world.root,
    timeout: 60_000,
    env: env(),
    ...(input === undefined ? {} : { input }),
  });
  const seen = await commandLine(running.child.pid ?? 0);
  const result = await running.result;
  words += `${seen}\n${result.stdout}\n${result.stderr}\n`;
  return result;
}

const commandLine = (pid: number): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    const ps = spawn('ps', ['-ww', '-o', 'args=', '-p', String(pid)]);
    ps.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    ps.on('close', () => resolve(text));
  });

/** Every file below a directory, by name and content. */
async function filesBelow(directory: string): Promise<string> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    found.push(entry.name);
    if (entry.isFile()) {
      found.push((await readFile(join(entry.parentPath, entry.name))).toString('latin1'));
    }
  }
  return found.join('\n');
}

async function everyRow(): Promise<string> {
  const tables = await world.client.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname IN ('amazon', 'maintenance')`,
  );
  const rows: string[] = [];
  for (const { name } of tables) {
    rows.push(JSON.stringify(await world.client.query(`SELECT t::text AS row FROM ${name} t`)));
  }
  return rows.join('\n');
}

beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 12 });
  for (const [index, [, id]] of odd.entries()) {
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, created_at) VALUES ($1, '2020-01-01')",
      [id],
    );
    await world.client.execute(
      "INSERT INTO amazon.review VALUES ($1, $2, 'T', 'Some text', 3, true, 0, '2025-01-01')",
      [`R-odd-${index}`, id],
    );
    await world.client.execute("INSERT INTO amazon.product_reviews VALUES ('P1', $1)", [
      `R-odd-${index}`,
    ]);
  }
  await world.batch();
});
afterAll(() => world.dispose());

describe('rule 10: an identifier is nowhere in clear, after a whole walk by the built program', () => {
  it('refusals on the way say nothing of what was given', async () => {
    const [, secret = ''] = odd[0] ?? [];
    for (const [request, input] of [
      ['DSR-nul', JSON.stringify({ customer: `${secret}\0` })],
      ['DSR-kind', `name: ${secret}`],
      ['DSR-json', `{"customer": "${secret}`],
      ['DSR-mail', `email: ${secret}`],
    ] as const) {
      const { code } = await cli(['gdpr', 'request', request], input);
      expect([request, code]).toEqual([request, 2]);
    }
  });

  it('all of them are recorded, planned, erased in one pass, verified and certified', {
    timeout: 120_000,
  }, async () => {
    for (const [index, [, id]] of odd.entries()) {
      const { code } = await cli(
        ['gdpr', 'request', `DSR-${index}`],
        JSON.stringify({ customer: id }),
      );
      expect(code).toBe(0);
    }
    const planned = await cli(['gdpr', 'plan', '--due', '--json']);
    expect(planned.code).toBe(0);
    // Enter-Enter, a yes and a wrong hash are no approval.
    expect((await cli(['gdpr', 'erase', '--due'], '\n\n')).code).toBe(3);
    expect((await cli(['gdpr', 'erase', '--due', '--plan', 'f'.repeat(64)])).code).toBe(3);
    const { planHash } = planned.json<{ planHash: string }>().result;
    const erased = await cli(['gdpr', 'erase', '--due', '--plan', planHash, '--json', '--verbose']);
    expect([erased.code, erased.stderr]).toEqual([0, expect.any(String)]);
    expect((await cli(['gdpr', 'verify', 'DSR-0'])).code).toBe(0);
    expect((await cli(['gdpr', 'certificate', 'DSR-0'])).code).toBe(0);
    expect((await cli(['gdpr', 'verify-journal'])).code).toBe(0);
    expect((await cli(['gdpr', 'list'])).code).toBe(0);
    const reviews = await world.client.query(
      "SELECT 1 FROM amazon.review WHERE review_id LIKE 'R-odd-%'",
    );
    expect(reviews).toEqual([]);
    expect(await world.client.query('SELECT 1 FROM amazon.review')).toHaveLength(12);
  });

  it.each(odd)(
    'an identifier %s stands in no output, process list, file, name, row',
    async (_name, id) => {
      const lake = await filesBelow(join(world.root, 'data'));
      const state = await filesBelow(join(world.root, '.reviewops'));
      const rows = await everyRow();
      const forms = [id, JSON.stringify(id).slice(1, -1), Buffer.from(id).toString('latin1')];
      for (const [place, text] of Object.entries({ words, lake, state, rows })) {
        for (const form of forms) expect([place, text.includes(form)]).toEqual([place, false]);
      }
    },
  );
});
