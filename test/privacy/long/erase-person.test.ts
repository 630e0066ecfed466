import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBatch } from '../../../src/lake/verify.js';
import { runPipeline } from '../../../src/pipeline/run.js';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { readSuppression } from '../../../src/privacy/suppression.js';
import { nobody } from '../../support/runbooks.js';
import { makePrivacyWorld, type PrivacyWorld } from '../support.js';

const quiet = {
  now: () => new Date(),
  report: () => undefined,
  signal: new AbortController().signal,
};

let world: PrivacyWorld;
let batchId: string;
beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 200 });
  await world.client.execute(
    `UPDATE amazon.customer SET email = 'Ada@Example.org', phone = '+33 6 12 34 56 78' WHERE customer_id = 'C7'`,
  );
  // Ids that hold one another, and reviews of nobody.
  await world.client.execute(
    "INSERT INTO amazon.customer (customer_id) VALUES ('42'), ('1420'), ('142')",
  );
  await world.client.execute(
    `INSERT INTO amazon.review SELECT 'N' || i, CASE i WHEN 1 THEN '42' WHEN 2 THEN '1420' WHEN 3 THEN '142' END, 'T', 'Text', 3, true, 0, '2025-01-01' FROM generate_series(1, 5) i`,
  );
  batchId = await world.batch();
});
afterAll(() => world.dispose());

const hashes = async (): Promise<Record<string, string>> => {
  const found: Record<string, string> = {};
  for await (const { key } of world.lake.list('')) {
    const bytes = await world.lake.read(key);
    found[key] = createHash('sha256').update(bytes).digest('hex');
  }
  return found;
};

const rowsOf = (table: string, where = 'true') =>
  world.client.query(`SELECT t::text AS row FROM amazon.${table} t WHERE ${where} ORDER BY 1`);

/** Every byte that the tool wrote about the erasure. */
async function allWords(): Promise<string> {
  const words: string[] = [];
  for await (const { key } of world.lake.list('privacy/')) {
    words.push(key, (await world.lake.read(key)).toString('utf8'));
  }
  const home = world.services.home;
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      words.push(entry.name, await readFile(join(entry.parentPath, entry.name), 'utf8'));
  }
  for (const table of ['gdpr_tombstones', 'gdpr_erasures', 'runbook_events', 'runbook_runs']) {
    words.push(JSON.stringify(await world.client.query(`SELECT * FROM maintenance.${table}`)));
  }
  return words.join('\n');
}

describe('erasing a person', () => {
  it('rule 4, plan: a dry run shows what was found by which link and changes nothing', async () => {
    await world.request('DSR-1', { email: ['ada@example.ORG'], phone: ['0033 6 12-34 56 78'] });
    const before = await hashes();
    const { report } = await world.erase({ requestIds: ['DSR-1'] }, { dryRun: true });
    expect(report.plan?.notes).toContain('amazon.customer: 1 rows found by email.');
    expect(report.plan?.notes).toContain('amazon.customer: 1 rows found by phone.');
    expect(report.plan?.notes).toContainEqual(
      expect.stringMatching(/^Texts are not searched for 1 ids of fewer than 5 characters/),
    );
    expect(report.plan?.notes.join()).toMatch(
      /amazon.review: 2 rows found by foreign key review_customer_id_fkey/,
    );
    expect(report.plan?.totals).toMatchObject({ people: 1, rows: 9, filesRewritten: 7 });
    expect(await hashes()).toEqual(before);
    expect(await rowsOf('customer', "customer_id = 'C7'")).toHaveLength(1);
  });

  it('rule 5, approve: without a person nothing is touched', async () => {
    const before = await hashes();
    const { report } = await world.erase({ requestIds: ['DSR-1'] }, { ask: nobody });
    expect(report).toMatchObject({ state: 'waiting', changed: false });
    expect(await hashes()).toEqual(before);
  });

  it('rules 2, 7, 8, 9 and 10: suppresses, erases, verifies and certifies; nobody else changes', async () => {
    const before = await hashes();
    const others = {
      review: await rowsOf('review', "customer_id IS DISTINCT FROM 'C7'"),
      customer: await rowsOf('customer', "customer_id <> 'C7'"),
      orders: await rowsOf('orders', "buyer_id <> 'C7'"),
      fact_reviews: await rowsOf('fact_reviews', "customer_id <> 'C7'"),
    };
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect(report).toMatchObject({ state: 'succeeded' });
    for (const [table, rows] of Object.entries(others)) expect(await rowsOf(table)).toEqual(rows);
    const after = await hashes();
    const changed = Object.keys(before).filter((key) => after[key] !== before[key]);
    expect(changed.filter((key) => key.endsWith('.parquet'))).toHaveLength(7);
    expect(await readSuppression(world.lake)).toMatchObject({ epoch: 1 });
    const certificate = await readCertificate(world.lake, 'DSR-1');
    expect(certificate).toMatchObject({
      state: 'provisional',
      lake: { filesRewritten: 7, rowsRemoved: 11 },
      verification: {
        found: [],
        mentioned: [],
        unread: [],
        limits: [expect.stringContaining('1 ids of fewer than 5 characters')],
      },
      remaining: [],
    });
    expect(certificate.pending.map(({ until }) => until)).not.toContain(null);
    const verified = await verifyBatch(world.lake, batchId, { ...quiet, scratch: world.root });
    expect(verified).toMatchObject({ state: 'complete', findings: [] });
  });

  it('rule 10: no identifier stands anywhere in clear', async () => {
    const words = (await allWords()).toLowerCase();
    for (const secret of ['ada@example.org', '612345678', '"c7"']) {
      expect(words).not.toContain(secret);
    }
  });

  it('a second run changes nothing', async () => {
    const before = await hashes();
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect(report).toMatchObject({
      state: 'succeeded',
      plan: { totals: { rows: 0, filesRewritten: 0 } },
    });
    const after = await hashes();
    const data = Object.keys(before).filter((key) => /^(raw|bronze|silver|gold)\//.test(key));
    for (const key of data) expect(after[key]).toBe(before[key]);
  });

  it('rule 6, fence: a batch from a source that holds the person again does not bring them back', async () => {
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, email, created_at) VALUES ('C7', 'Ada@Example.org', '2020-01-01')",
    );
    await world.client.execute(
      "INSERT INTO amazon.review VALUES ('R-back', 'C7', 'T', 'Text', 4, true, 0, '2025-01-01')",
    );
    await world.client.execute("INSERT INTO amazon.product_reviews VALUES ('P1', 'R-back')");
    const run = await runPipeline(await world.another(), {
      command: 'run',
      from: 'extract',
      to: 'load',
    });
    await world.client.execute("DELETE FROM amazon.fact_reviews WHERE review_id = 'R-none'");
    expect(await rowsOf('fact_reviews', "customer_id = 'C7'")).toEqual([]);
    await world.client.execute("DELETE FROM amazon.review WHERE customer_id = 'C7'");
    await world.client.execute("DELETE FROM amazon.customer WHERE customer_id = 'C7'");
    const { report } = await world.erase({ requestIds: ['DSR-1'] }, { dryRun: true });
    expect(report.plan?.totals).toMatchObject({ rows: 0, filesRewritten: 0 });
    expect(run.status).toBe('succeeded');
  });

  it('rule 2: somebody who registers again afterwards is not erased by the tombstone', async () => {
    const later = new Date(Date.now() + 60_000).toISOString();
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, email, created_at) VALUES ('C7', 'ada@example.org', $1)",
      [later],
    );
    await world.client.execute(
      "INSERT INTO amazon.review VALUES ('R-new', 'C7', 'T', 'Text', 4, true, 0, $1)",
      [later],
    );
    await world.client.execute("INSERT INTO amazon.product_reviews VALUES ('P1', 'R-new')");
    await runPipeline(await world.another(), { command: 'run', from: 'extract', to: 'load' });
    expect(await rowsOf('fact_reviews', "customer_id = 'C7'")).toHaveLength(1);
  });

  it('rule 11, restore: tombstones are replayed; who registered again stays', async () => {
    // As after a restore: the erased account is there as it was, and the tombstones of the database are not.
    await world.client.execute("DELETE FROM amazon.fact_reviews WHERE customer_id = 'C7'");
    await world.client.execute("DELETE FROM amazon.review WHERE customer_id = 'C7'");
    await world.client.execute("DELETE FROM amazon.customer WHERE customer_id = 'C7'");
    await world.client.execute('DELETE FROM maintenance.gdpr_tombstones');
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, email, created_at) VALUES ('C7', 'Ada@Example.org', '2020-01-01'), ('C7-new', 'ada@example.org', now() + interval '1 hour')",
    );
    await world.client.execute(
      "INSERT INTO amazon.review VALUES ('R-restored', 'C7', 'T', 'Text', 4, true, 0, '2025-01-01')",
    );
    const { report } = await world.erase({ replay: true });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(await rowsOf('customer', "customer_id IN ('C7', 'C7-new')")).toEqual([
      { row: expect.stringContaining('C7-new') },
    ]);
    expect(await rowsOf('review', "review_id = 'R-restored'")).toEqual([]);
    const [copied] = await world.client.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM maintenance.gdpr_tombstones',
    );
    expect(copied?.n).toBeGreaterThan(0);
    const again = await world.erase({ replay: true });
    expect(again.report).toMatchObject({ state: 'succeeded', changed: false });
  });

  it('must hold: 42 does not touch 1420 nor 142, NULL ids stay', async () => {
    await world.request('DSR-forty', { customer: ['42'] });
    const { report } = await world.erase({ requestIds: ['DSR-forty'] });
    expect(report).toMatchObject({ state: 'succeeded' });
    const left = await world.client.query<{ review_id: string }>(
      "SELECT review_id FROM amazon.review WHERE review_id LIKE 'N%' ORDER BY 1",
    );
    expect(left.map(({ review_id }) => review_id)).toEqual(['N2', 'N3', 'N4', 'N5']);
  });

  it('must hold: a legal hold that comes after the approval stops it', async () => {
    await world.request('DSR-8', { customer: ['C8'] });
    const { updateRequest } = await import('../../../src/privacy/requests.js');
    const before = await rowsOf('customer');
    const { report } = await world.erase(
      { requestIds: ['DSR-8'] },
      {
        ask: async () => {
          const hold = { at: new Date().toISOString(), by: 'bob', reason: 'case 12' };
          await updateRequest(world.lake, 'DSR-8', (record) => ({ ...record, hold }));
          return { type: 'yes', by: 'ada', how: 'test' };
        },
      },
    );
    expect(report).toMatchObject({ exitCode: 3, error: { code: 'LEGAL_HOLD' }, changed: false });
    expect(await rowsOf('customer')).toEqual(before);
  });

  it('rule 3: an unclassified column or file stops it and is named', async () => {
    await world.request('DSR-9', { customer: ['C9'] });
    await world.client.execute('ALTER TABLE amazon.carrier ADD COLUMN driver text');
    const first = await world.erase({ requestIds: ['DSR-9'] });
    expect(first.report).toMatchObject({
      state: 'refused',
      error: { code: 'UNCLASSIFIED', exitCode: 3 },
    });
    expect(first.report.reason).toContain('amazon.carrier.driver');
    await world.client.execute('ALTER TABLE amazon.carrier DROP COLUMN driver');
    await world.lake.put('raw/photo.jpg', 'bytes');
    const second = await world.erase({ requestIds: ['DSR-9'] });
    expect(second.report.reason).toContain('raw/photo.jpg');
    await world.lake.remove(['raw/photo.jpg']);
  });

  it('rule 10: an object whose name holds an identifier is refused, with the name masked', async () => {
    await world.request('DSR-key', { customer: ['person-1815'], email: ['bob@example.org'] });
    for (const key of ['raw/of/person-1815.csv', 'raw/mail-bob@example.org.csv']) {
      await world.lake.put(key, 'customer_id\n');
    }
    const { report } = await world.erase({ requestIds: ['DSR-key'] });
    expect(report).toMatchObject({ state: 'refused', error: { code: 'KEYS_REVEAL' } });
    expect(report.reason).toContain('raw/of/[identifier]');
    expect(report.reason).not.toMatch(/1815|bob@/);
    await world.lake.remove(['raw/of/person-1815.csv', 'raw/mail-bob@example.org.csv']);
  });

  it('rule 8: CSV, JSON Lines and logs lose the records of the person and keep all other bytes', async () => {
    const csv =
      'customer_id,title,body\r\nC9,"a, ""b""","two\nlines"\r\nC10,Other,"C9 is not me"\r\n,,\r\n';
    await world.lake.put('raw/export.csv', csv);
    await world.lake.put(
      'raw/export.jsonl.gz',
      gzipSync('{"customer_id":"C9","body":"x"}\n{"customer_id": "C99",  "body":"y"}\n'),
    );
    await world.lake.put(
      'logs/some.jsonl',
      '{"msg":"loaded","id":"C9"}\n{"msg":"loaded","id":"C91"}\n',
    );
    const { report } = await world.erase({ requestIds: ['DSR-9'] });
    expect(report).toMatchObject({ state: 'succeeded' });
    expect((await world.lake.read('raw/export.csv')).toString()).toBe(
      'customer_id,title,body\r\nC10,Other,"C9 is not me"\r\n,,\r\n',
    );
    expect(gunzipSync(await world.lake.read('raw/export.jsonl.gz')).toString()).toBe(
      '{"customer_id": "C99",  "body":"y"}\n',
    );
    expect((await world.lake.read('logs/some.jsonl')).toString()).toBe(
      '{"msg":"loaded","id":"C91"}\n',
    );
  });
});
