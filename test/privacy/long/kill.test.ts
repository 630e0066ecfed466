import { expect, it } from 'vitest';
import { verifyBatch } from '../../../src/lake/verify.js';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { readEntries, requireWhole } from '../../../src/privacy/journal.js';
import { bothSides, killRelay, pictureOf } from '../kill-relay.js';
import { makePrivacyWorld } from '../support.js';

/** From the first that says that something will change, in the order in which they come. */
const points = [
  ...bothSides('run', ['approval.given approve', 'act.started suppress']),
  ...bothSides('privacy', ['suppressing']),
  ...bothSides('run', ['step.finished suppress', 'act.started database']),
  ...bothSides('privacy', ['database.erased']),
  ...bothSides('run', ['step.finished database', 'step.finished zero-rows', 'act.started vacuum']),
  ...bothSides('privacy', ['vacuumed']),
  ...bothSides('run', ['step.finished vacuum', 'act.started lake']),
  ...bothSides('privacy', [
    'object.planned',
    'object.writing',
    'object.written',
    'object.verified',
    'object.purged',
    'manifest.writing',
    'lake.erased',
  ]),
  ...bothSides('run', ['step.finished lake', 'step.finished verify', 'act.started document']),
  ...bothSides('privacy', ['certifying', 'certified']),
];

it('must hold: killed by SIGKILL at any transition, a resume converges, and a second run changes nothing', {
  timeout: 600_000,
}, async () => {
  const world = await makePrivacyWorld({ reviews: 12 });
  try {
    const batchId = await world.batch();
    await world.request('DSR-1', { customer: ['C3'] });
    const report = await killRelay(world, points);
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    const picture = await pictureOf(world);
    expect(JSON.stringify(picture)).not.toContain('"C3"');
    const verified = await verifyBatch(world.lake, batchId, {
      now: () => new Date(),
      report: () => undefined,
      signal: new AbortController().signal,
      scratch: world.root,
    });
    expect(verified.findings).toEqual([]);
    expect(await readCertificate(world.lake, 'DSR-1')).toMatchObject({
      state: 'provisional',
      verification: { found: [], mentioned: [], unread: [] },
      remaining: [],
    });
    requireWhole(await readEntries(world.services.home), world.services.home);
    const again = await world.erase({ requestIds: ['DSR-1'] });
    expect(again.report.plan?.totals).toMatchObject({ rows: 0, filesRewritten: 0 });
    expect(await pictureOf(world)).toEqual(picture);
  } finally {
    await world.dispose();
  }
});
