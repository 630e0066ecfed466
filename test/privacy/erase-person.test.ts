import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBatch } from '../../src/lake/verify.js';
import { readCertificate } from '../../src/privacy/certificate.js';
import { makePrivacyWorld, type PrivacyWorld } from './support.js';

let world: PrivacyWorld;
beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 200 });
  await world.client.execute(
    "UPDATE amazon.customer SET email = 'Ada@Example.org', phone = '+33 6 12 34 56 78' WHERE customer_id = 'C7'",
  );
});
afterAll(() => world.dispose());

describe('erase-person, end to end', () => {
  it('erases, verifies and certifies', async () => {
    const batchId = await world.batch();
    await world.request('DSR-1', { email: ['ada@example.org'] });
    const before = await world.client.query<{ rows: string }>(
      "SELECT count(*) AS rows FROM amazon.review WHERE customer_id <> 'C7'",
    );
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
      JSON.stringify(
        report.steps.map(({ id, state, summary }) => ({ id, state, summary })),
        null,
        1,
      ),
      report.reason,
      report.plan,
    );
    expect(report).toMatchObject({ state: 'succeeded' });
    const after = await world.client.query<{ rows: string }>(
      'SELECT count(*) AS rows FROM amazon.review',
    );
    expect(after).toEqual(before);
    const certificate = await readCertificate(world.lake, 'DSR-1');
    const verified = await verifyBatch(world.lake, batchId, {
      now: () => new Date(),
      report: () => undefined,
      signal: new AbortController().signal,
      scratch: world.root,
    });
    expect(verified).toMatchObject({ state: 'complete', findings: [] });
  });
});
