import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lake } from '../../../src/lake/lake.js';
import { runPipeline } from '../../../src/pipeline/run.js';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { cliOn, makePrivacyWorld, type PrivacyWorld } from '../support.js';

let world: PrivacyWorld;
let batchId: string;
beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 40 });
  const { client } = world;
  await client.execute("UPDATE amazon.review SET body = 'A text.', rating = 3");
  await client.execute(
    "INSERT INTO amazon.customer (customer_id, email, phone, created_at) VALUES ('person-1815', 'ada@example.org', '+33 6 12 34 56 78', '2020-01-01')",
  );
  const bodies = {
    R1: 'Write to ADA@example.org, she knows.',
    R2: 'As person-1815 said: no.',
    R8: 'Call 06-12.34 56 78, or not.',
    R9: 'Part 2345 costs 678.90.',
    R3: 'As person-18155 and xperson-1815 said: yes.',
    // Of the person: deleted, not reviewed.
    R4: 'I am ada@example.org.',
  };
  for (const [id, body] of Object.entries(bodies)) {
    await client.execute('UPDATE amazon.review SET body = $2 WHERE review_id = $1', [id, body]);
  }
  await client.execute(
    "UPDATE amazon.review SET customer_id = 'person-1815' WHERE review_id = 'R4'",
  );
  await client.execute("UPDATE amazon.review SET title = 'person-1815' WHERE review_id = 'R5'");
  batchId = await world.batch();
  await world.lake.put(
    'raw/notes.jsonl',
    '{"review_id":"R6","body":"person-1815 again"}\n{"review_id":"R7","body":"nobody"}\n',
  );
});
afterAll(() => world.dispose());

const others = (batch: string) => [
  ['amazon.fact_reviews', 4],
  ['amazon.review', 4],
  [`bronze/batch=${batch}/review.parquet`, 4],
  [`gold/batch=${batch}/fact_reviews.parquet`, 4],
  ['raw/notes.jsonl', 1],
  [`silver/batch=${batch}/review.parquet`, 4],
];
const plainKey = (place: string) => place.replace(/-g\d+|\/part-\d+|\/\d+(?=\.parquet)/, '');
const listed = (list: readonly { place: string; rows: number }[]) =>
  list.map(({ place, rows }) => [plainKey(place), rows]).sort();

describe("rule 4: the person in somebody else's text is a case for a person", () => {
  it('the plan shows it, in tables and in every layer of the lake', async () => {
    await world.request('DSR-1', { email: ['ada@example.org'] });
    const { report } = await world.erase({ requestIds: ['DSR-1'] }, { dryRun: true });
    const reviews = (report.plan?.targets ?? []).filter(({ action }) => action === 'review');
    expect(
      listed(reviews.map(({ name, state }) => ({ place: name, rows: Number(state.rows) }))),
    ).toEqual(others(batchId));
    expect(report.plan?.totals).toMatchObject({ textsToReview: 21 });
  });

  it('it stays, and the certificate is incomplete and names where', async () => {
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    const certificate = await readCertificate(world.lake, 'DSR-1');
    expect(certificate.state).toBe('incomplete');
    expect(listed(certificate.forReview)).toEqual(others(batchId));
    const bodies = await world.client.query(
      "SELECT review_id FROM amazon.review WHERE review_id IN ('R1', 'R2', 'R3', 'R4', 'R5') ORDER BY 1",
    );
    expect(bodies.map(({ review_id }) => review_id)).toEqual(['R1', 'R2', 'R3', 'R5']);
  });

  it('every command that erases ends with 4 then, and names where', async () => {
    const run = ['runbook', 'run', 'erase-person', '--input', 'requestIds=DSR-1'];
    const byRunbook = await cliOn(world, [...run, '--confirm', 'DSR-1', '--json']);
    expect([byRunbook.code, byRunbook.json().result]).toEqual([
      4,
      expect.objectContaining({
        state: 'succeeded',
        remains: expect.stringContaining('amazon.review: 4 texts name the person.'),
      }),
    ]);
    const text = await cliOn(world, [...run, '--confirm', 'DSR-1']);
    expect([text.code, text.stdout]).toEqual([4, expect.stringContaining('remains: ')]);
    const erased = await cliOn(world, ['gdpr', 'erase', 'DSR-1', '--confirm', 'DSR-1', '--json']);
    expect(erased.code).toBe(4);
    expect(listed(erased.json<{ forReview: [] }>().result.forReview)).toEqual(others(batchId));
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, created_at) VALUES ('person-1815', '2020-01-01')",
    );
    const replay = await cliOn(world, ['gdpr', 'replay', '--confirm', 'people', '--json']);
    expect(replay.code).toBe(4);
    const { forReview } = replay.json<{ forReview: { place: string; rows: number }[] }>().result;
    expect(listed(forReview)).toContainEqual(['raw/notes.jsonl', 1]);
    expect((await cliOn(world, ['gdpr', 'replay', '--confirm', 'people'])).code).toBe(0);
  });

  it('once it is settled, erasing the same request again certifies that', async () => {
    await world.client.execute(
      "UPDATE amazon.review SET title = 'T', body = 'Settled.' WHERE review_id IN ('R1', 'R2', 'R5', 'R8')",
    );
    await world.lake.remove(['raw/notes.jsonl']);
    await runPipeline(await world.another(), {
      command: 'run',
      from: 'extract',
      to: 'load',
      batchId,
    });
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(await readCertificate(world.lake, 'DSR-1')).toMatchObject({
      state: 'provisional',
      forReview: [],
    });
  });

  it('rule 3: a column that names the person and that no link reaches stops it before anything goes', async () => {
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, email, created_at) VALUES ('person-1906', 'grace@example.org', '2020-01-01')",
    );
    await world.client.execute('CREATE TABLE amazon.newsletter (address text PRIMARY KEY)');
    await world.client.execute("INSERT INTO amazon.newsletter VALUES ('grace@example.org')");
    const tables = {
      newsletter: { columns: { address: 'identifier' as const }, rows: 'delete' as const },
    };
    Object.assign(world.services.config.privacy.tables, tables);
    await world.request('DSR-2', { email: ['grace@example.org'] });
    const { report } = await world.erase({ requestIds: ['DSR-2'] });
    expect(report).toMatchObject({
      state: 'refused',
      changed: false,
      error: { code: 'LINK_MISSING' },
    });
    expect(report.reason).toContain('amazon.newsletter (1 rows)');
    expect(report.reason).not.toContain('grace');
    world.services.config.privacy.links.push({ from: 'newsletter.address', to: 'customer.email' });
    const linked = await world.erase({ requestIds: ['DSR-2'] });
    expect([linked.report.state, linked.report.reason]).toEqual(['succeeded', null]);
    expect(await world.client.query('SELECT * FROM amazon.newsletter')).toEqual([]);
  });
});

/** The same lake, which counts how often each key is fetched. */
function counting(lake: Lake): { lake: Lake; fetched: Map<string, number> } {
  const fetched = new Map<string, number>();
  const counted = new Proxy(lake, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        const key = String(given[0]);
        if (name === 'fetch') fetched.set(key, (fetched.get(key) ?? 0) + 1);
        return Reflect.apply(value, target, given) as unknown;
      };
    },
  });
  return { lake: counted, fetched };
}

describe('a plan', () => {
  it('reads each file of the lake once, for the rows and for the texts of others', async () => {
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, email, created_at) VALUES ('person-2001', 'mary@example.org', '2020-01-01')",
    );
    await world.client.execute(
      "UPDATE amazon.review SET body = 'As person-2001 said.' WHERE review_id = 'R6'",
    );
    const batch = await world.batch();
    await world.request('DSR-3', { customer: ['person-2001'] });
    const { lake, fetched } = counting(world.lake);
    world.services.lake = async () => lake;
    const { report } = await world.erase({ requestIds: ['DSR-3'] }, { dryRun: true });
    const reviews = (report.plan?.targets ?? []).filter(({ action }) => action === 'review');
    expect(reviews.map(({ name }) => plainKey(name))).toEqual(
      expect.arrayContaining(
        ['bronze', 'silver'].map((layer) => `${layer}/batch=${batch}/review.parquet`),
      ),
    );
    const parquet: [string, number][] = [];
    for await (const { key } of world.lake.list('')) {
      if (key.endsWith('.parquet')) parquet.push([key, fetched.get(key) ?? 0]);
    }
    expect(parquet.length).toBeGreaterThan(5);
    // Where the person has a row, whether it can be rewritten is looked at once more.
    expect(parquet.filter(([, times]) => times !== 1)).toEqual([
      [`bronze/batch=${batch}/customer.parquet`, 2],
    ]);
  });
});
