import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lake } from '../../../src/lake/lake.js';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { currentCertificate } from '../../../src/privacy/finish.js';
import { requireRequest } from '../../../src/privacy/requests.js';
import { cliOn, makePrivacyWorld, type PrivacyWorld } from '../support.js';

/** Private members belong to the object itself, not to what stands before it. */
const bound = (target: object, value: unknown): unknown =>
  typeof value === 'function' ? value.bind(target) : value;

let world: PrivacyWorld;
beforeAll(async () => {
  world = await makePrivacyWorld({
    reviews: 100,
    settings: {
      privacy: {
        fanOut: { people: 5 },
        tables: {
          orders: { rows: 'redact' },
          order_items: {
            rows: 'keep',
            reason: 'tax law',
            owner: 'finance',
            reviewAt: '2036-01-01',
          },
        },
      },
    },
  });
  await world.batch();
});
afterAll(() => world.dispose());

describe('rule 8, many requests in one pass', () => {
  it('each file is rewritten once; orders are emptied and stay, with their ground', async () => {
    const ids = ['C3', 'C7', 'C11', 'C19', 'C23'];
    for (const id of ids) await world.request(`DSR-${id}-x`.replace('C', 'n'), { customer: [id] });
    await world.client.execute(
      "INSERT INTO amazon.order_items SELECT order_id, 'P1', 1, 9.99 FROM amazon.orders WHERE buyer_id = 'C7'",
    );
    const puts: string[] = [];
    const counted = new Proxy(world.lake, {
      get: (target, name) =>
        name === 'putFile'
          ? (...args: Parameters<Lake['putFile']>) => {
              puts.push(args[0]);
              return target.putFile(...args);
            }
          : bound(target, Reflect.get(target, name)),
    });
    const lake = world.services.lake;
    world.services.lake = async () => counted;
    const { report } = await world.erase({ due: true });
    world.services.lake = lake;
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(puts.length).toBe(new Set(puts).size);
    expect(puts.length).toBe(Number(report.plan?.totals.filesRewritten));
    const orders = await world.client.query(
      "SELECT count(*)::int AS all, count(buyer_id)::int AS named, count(total)::int AS totals FROM amazon.orders WHERE order_id IN ('OC3', 'OC7', 'OC11', 'OC19', 'OC23')",
    );
    expect(orders).toEqual([{ all: 5, named: 0, totals: 0 }]);
    const certificate = await readCertificate(world.lake, 'DSR-n7-x');
    expect(certificate.kept).toEqual([
      {
        table: 'amazon.order_items',
        rows: 1,
        reason: 'tax law',
        owner: 'finance',
        reviewAt: '2036-01-01',
      },
    ]);
    expect(certificate.database.tables).toContainEqual({
      table: 'amazon.orders',
      rows: 5,
      action: 'redact',
    });
  });

  it('what was erased in one pass is erased again in one pass, or not at all', async () => {
    const alone = await cliOn(world, ['gdpr', 'plan', 'DSR-n7-x', '--json']);
    expect([alone.code, alone.json().error]).toEqual([
      3,
      expect.objectContaining({
        code: 'ERASE_TOGETHER',
        hint: expect.stringContaining('reviewops gdpr erase DSR-n7-x DSR-n'),
      }),
    ]);
    const ids = ['DSR-n3-x', 'DSR-n7-x', 'DSR-n11-x', 'DSR-n19-x', 'DSR-n23-x'];
    const { report } = await world.erase({ requestIds: ids }, { dryRun: true });
    expect(report).toMatchObject({
      reason: null,
      plan: { totals: { rows: 1, filesRewritten: 0 } },
    });
    expect(report.plan?.notes.join()).toMatch(/DSR-n7-x was erased before, on 20/);
    const together = await cliOn(world, ['gdpr', 'plan', ...ids, '--json']);
    expect([together.code, together.json().result]).toEqual([
      0,
      expect.objectContaining({ requestIds: ids }),
    ]);
  });

  it('rule 10: provisional until the last residual has expired, then final, and the person is forgotten', async () => {
    const at = (days: number) => ({
      home: world.services.home,
      now: () => new Date(Date.now() + days * 86_400_000),
    });
    expect((await currentCertificate(world.lake, 'DSR-n3-x', at(1))).state).toBe('provisional');
    expect((await requireRequest(world.lake, 'DSR-n3-x')).record.sealed).not.toBeNull();
    expect((await currentCertificate(world.lake, 'DSR-n3-x', at(8))).state).toBe('final');
    expect((await requireRequest(world.lake, 'DSR-n3-x')).record).toMatchObject({
      state: 'final',
      sealed: null,
    });
  });

  it('rule 4: more people than expected need a person who looks', async () => {
    await world.client.execute(
      `INSERT INTO amazon.customer (customer_id, email) SELECT 'S' || i, 'shared@example.org' FROM generate_series(1, 6) i`,
    );
    await world.request('DSR-shared', { email: ['shared@example.org'] });
    const { report, events } = await world.erase(
      { requestIds: ['DSR-shared'] },
      {
        ask: async ({ type }) =>
          type === 'manual' ? { type: 'later' } : { type: 'no', by: 'ada' },
      },
    );
    expect(report).toMatchObject({ state: 'waiting', changed: false });
    expect(events.some((event) => event.type === 'step.started' && event.step === 'fan-out')).toBe(
      true,
    );
  });

  it.each([
    ['with a quote', "O'Brien"],
    ['with SQL in it', "x'; DROP TABLE amazon.review--"],
    ['of a percent sign', '%'],
    ['of an underscore', '_'],
    ['of a backslash', '\\'],
    ['from right to left', '\u202eabc'],
    ['in NFD', 'e\u0301'],
    ['of 10 kB', 'x'.repeat(10_000)],
  ])(
    'must hold: an identifier %s means its own rows and no others',
    async (_name, id) => {
      await world.client.execute('INSERT INTO amazon.customer (customer_id) VALUES ($1)', [id]);
      await world.client.execute(
        "INSERT INTO amazon.review VALUES (md5($1), $1, 'T', 'B', 3, true, 0, now())",
        [id],
      );
      const [before] = await world.client.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM amazon.review',
      );
      const requestId = `DSR-odd-${Buffer.from(id).toString('hex').slice(0, 12)}`;
      await world.request(requestId, { customer: [id] });
      const { report } = await world.erase({ requestIds: [requestId] });
      expect([report.state, report.reason]).toEqual(['succeeded', null]);
      const [after] = await world.client.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM amazon.review',
      );
      expect(after?.n).toBe((before?.n ?? 0) - 1);
    },
    60_000,
  );
});
