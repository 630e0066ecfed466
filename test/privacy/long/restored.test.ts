import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { look } from '../../health/support.js';
import { cliOn, makePrivacyWorld, type PrivacyWorld } from '../support.js';

let world: PrivacyWorld;
let restore: () => Promise<void>;
beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 40 });
  await world.batch();
  restore = await backup(world);
});
afterAll(() => world.dispose());

/** Takes a logical backup of the database; gives what restores it. */
async function backup({ client }: PrivacyWorld): Promise<() => Promise<void>> {
  const tables = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname IN ('amazon', 'maintenance') AND c.relname NOT LIKE '%migrations%'`,
  );
  const saved: [string, unknown][] = [];
  for (const { name } of tables) {
    const [row] = await client.query<{ rows: unknown }>(
      `SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') AS rows FROM ${name} t`,
    );
    saved.push([name, row?.rows]);
  }
  return async () => {
    await client.execute('SET session_replication_role = replica');
    for (const [name, rows] of saved) {
      await client.execute(`DELETE FROM ${name}`);
      await client.execute(
        `INSERT INTO ${name} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_recordset(NULL::${name}, $1::jsonb)`,
        [JSON.stringify(rows)],
      );
    }
    await client.execute('SET session_replication_role = origin');
    await client.execute('REFRESH MATERIALIZED VIEW amazon.product_summary');
  };
}

const rowsOf = async (customer: string) => {
  const [row] = await world.client.query<{ n: number }>(
    `SELECT ((SELECT count(*) FROM amazon.customer WHERE customer_id = $1)
           + (SELECT count(*) FROM amazon.review WHERE customer_id = $1)
           + (SELECT count(*) FROM amazon.fact_reviews WHERE customer_id = $1))::int AS n`,
    [customer],
  );
  return row?.n;
};

const health = async () => {
  const { check } = await look(['gdpr-returned'], {
    root: world.root,
    target: world.database.target,
  });
  return check('gdpr-returned');
};

/** What hands reviews over: each by its status and error. */
async function handedOver() {
  const [shown] = await world.client.query<{ review: string; product: string }>(
    'SELECT review_id AS review, product_id AS product FROM amazon.fact_reviews ORDER BY 1 LIMIT 1',
  );
  const { review = '', product = '' } = shown ?? {};
  const outcomes: [number | null, string | null, string | null][] = [];
  for (const args of [
    ['db', 'export', 'best-reviews'],
    ['product', 'best', product],
    ['review', 'explain', review],
  ]) {
    const result = await cliOn(world, [...args, '--json']);
    const { error } = result.json();
    outcomes.push([result.code, error?.code ?? null, error?.hint ?? null]);
  }
  return outcomes;
}

const allOf = <T>(outcome: T): T[] => [outcome, outcome, outcome];

describe('rule 11: a database that was restored to a time before an erasure', () => {
  it('nobody is back while nothing was restored', async () => {
    expect(await health()).toMatchObject({ state: 'skipped' });
    await world.request('DSR-1', { customer: ['C7'] });
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(await health()).toMatchObject({ state: 'ok', value: 0 });
    expect(await handedOver()).toEqual(allOf([0, null, null]));
  });

  it('is critical for health, and nothing is handed over from it', async () => {
    await restore();
    expect(await rowsOf('C7')).toBeGreaterThan(2);
    expect(await health()).toMatchObject({
      state: 'critical',
      summary: expect.stringContaining('lacks 2 of 2 tombstones'),
      value: 1,
      evidence: { requestIds: ['DSR-1'] },
      runbook: { id: 'erase-person', input: { replay: true } },
    });
    expect(await handedOver()).toEqual(
      allOf([3, 'REPLAY_NEEDED', 'Erase them again first: reviewops gdpr replay']),
    );
  });

  it('publishes nobody who was erased: the pipeline leaves them out', async () => {
    await world.batch();
    const [row] = await world.client.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM amazon.fact_reviews WHERE customer_id = 'C7'",
    );
    expect(row?.n).toBe(0);
  });

  it('is clean after the replay, and a second replay has nothing to do', async () => {
    const { report } = await world.erase({ replay: true });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(report.plan?.targets.map(({ type, name }) => `${type} ${name}`)).toEqual(
      expect.arrayContaining([
        'tombstones maintenance.gdpr_tombstones',
        'request DSR-1',
        'table amazon.review',
      ]),
    );
    expect(await rowsOf('C7')).toBe(0);
    expect(await health()).toMatchObject({ state: 'ok' });
    expect(await handedOver()).toEqual(allOf([0, null, null]));
    const again = await world.erase({ replay: true });
    expect(again.report).toMatchObject({ state: 'succeeded', changed: false });
  });

  it('who is back without that a tombstone was lost is found, too', async () => {
    await world.client.execute(
      "INSERT INTO amazon.customer (customer_id, created_at) VALUES ('C7', '2020-01-01')",
    );
    expect(await health()).toMatchObject({
      state: 'critical',
      summary: '1 who were erased are in the database again',
    });
  });

  it('of which nobody is left still gets its tombstones back', async () => {
    await world.client.execute("DELETE FROM amazon.customer WHERE customer_id = 'C7'");
    await world.client.execute('DELETE FROM maintenance.gdpr_tombstones');
    expect(await health()).toMatchObject({ state: 'critical' });
    const { report } = await world.erase({ replay: true });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(await health()).toMatchObject({ state: 'ok' });
  });

  it('without the key of the erasures, nobody can tell', async () => {
    const { check } = await look(['gdpr-returned'], {
      root: world.root,
      target: world.database.target,
      pseudonymKey: async () => Buffer.from('another key, just as long as it'),
    });
    expect(check('gdpr-returned').state).toBe('unknown');
  });
});
