import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pseudonym } from '../../../src/pipeline/pseudonym.js';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { dieAt } from '../kill-relay.js';
import { cliOn, makePrivacyWorld, type PrivacyWorld, parquetRows } from '../support.js';

let world: PrivacyWorld;
beforeEach(async () => {
  world = await makePrivacyWorld({ reviews: 30 });
  await world.client.execute(
    "UPDATE amazon.customer SET email = 'ada@example.org' WHERE customer_id = 'C7'",
  );
  await world.batch();
});
afterEach(() => world.dispose());

/** Rows of C7 in the layers that know the person by the pseudonym only. */
async function pseudonymRows(): Promise<number> {
  const name = pseudonym('C7', world.environment.pseudonymKey);
  let rows = 0;
  for await (const { key } of world.lake.list('')) {
    if (!/^(silver|gold)\/.*(\/|-)(review|fact_reviews)[^/]*\.parquet$/.test(key)) continue;
    rows += await parquetRows(world, key, `buyer_id = '${name}'`);
  }
  return rows;
}

describe('the same request again', () => {
  it('must hold: an erasure that died in the lake is begun anew, and still finds what nothing leads to any more', async () => {
    await world.request('DSR-1', { email: ['ada@example.org'] });
    expect(await pseudonymRows()).toBeGreaterThan(1);
    // The address is gone with its file: neither database nor lake tell any more whose id is C7.
    const type = 'object.verified';
    await dieAt(world, { journal: 'privacy', type, when: 'after', key: '/customer' });
    expect(await pseudonymRows()).toBeGreaterThan(1);
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(await pseudonymRows()).toBe(0);
    expect(await readCertificate(world.lake, 'DSR-1')).toMatchObject({
      state: 'provisional',
      remaining: [],
    });
    expect((await cliOn(world, ['gdpr', 'verify', 'DSR-1'])).code).toBe(0);
  });

  it('rule 2: who registered again and is erased again by it does not come back from what was read between', async () => {
    await world.request('DSR-1', { customer: ['C7'] });
    expect((await world.erase({ requestIds: ['DSR-1'] })).report.state).toBe('succeeded');
    const since = new Date().toISOString();
    const register = async () => {
      await world.client.execute(
        "INSERT INTO amazon.customer (customer_id, created_at) VALUES ('C7', $1)",
        [since],
      );
      await world.client.execute(
        "INSERT INTO amazon.review VALUES ('R-again', 'C7', 'T', 'Text', 4, true, 0, $1)",
        [since],
      );
      await world.client.execute("INSERT INTO amazon.product_reviews VALUES ('P1', 'R-again')");
    };
    await register();
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(report.plan?.notes.join()).toMatch(/DSR-1 was erased before/);
    // As a batch has it that was extracted between the two.
    await register();
    await world.batch();
    expect(
      await world.client.query("SELECT FROM amazon.fact_reviews WHERE review_id = 'R-again'"),
    ).toEqual([]);
  });
});
