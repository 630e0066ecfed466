import { describe, expect, it } from 'vitest';
import { verifyBatch } from '../../../src/lake/verify.js';
import { PrivacyJournal } from '../../../src/privacy/journal.js';
import { failed } from '../../../src/system/errors.js';
import { makePrivacyWorld, type PrivacyWorld } from '../support.js';

/** Lets the run die at the nth entry of the privacy journal, before or after it is written. */
async function dieAt(
  world: PrivacyWorld,
  nth: number,
  when: 'before' | 'after',
): Promise<{ runId: string; died: boolean }> {
  const append = PrivacyJournal.prototype.append;
  let seen = 0;
  let died = false;
  PrivacyJournal.prototype.append = async function (...events) {
    seen += 1;
    if (seen !== nth) return append.apply(this, events);
    died = true;
    if (when === 'after') await append.apply(this, events);
    throw failed('KILLED', 'The test kills it here.');
  };
  try {
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    return { runId: report.runId, died };
  } finally {
    PrivacyJournal.prototype.append = append;
  }
}

describe('must hold: killed at any transition of an object, a resume converges', () => {
  it('planned, writing, written, verified, purged, manifests', { timeout: 1_200_000 }, async () => {
    for (let nth = 1, died = true; died; nth += 2) {
      for (const when of ['before', 'after'] as const) {
        const world = await makePrivacyWorld({ reviews: 20 });
        try {
          const batchId = await world.batch();
          await world.request('DSR-1', { customer: ['C7'] });
          const killed = await dieAt(world, nth, when);
          died = killed.died;
          if (!died) break;
          const { report } = await world.resume(killed.runId);
          expect([nth, when, report.state, report.reason]).toEqual([nth, when, 'succeeded', null]);
          const verified = await verifyBatch(world.lake, batchId, {
            now: () => new Date(),
            report: () => undefined,
            signal: new AbortController().signal,
            scratch: world.root,
          });
          expect([nth, when, verified.findings]).toEqual([nth, when, []]);
          const again = await world.erase({ requestIds: ['DSR-1'] }, { dryRun: true });
          expect(again.report.plan?.totals).toMatchObject({ rows: 0, filesRewritten: 0 });
        } finally {
          await world.dispose();
        }
      }
    }
  });
});
