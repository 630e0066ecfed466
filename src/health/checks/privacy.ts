import { daysUntil } from '../../privacy/deadline.js';
import type { RequestRecord } from '../../privacy/requests.js';
import { type Check, critical, ok, several, skipped, tenth, warning } from '../check.js';

/** What people asked for under law, and by when. */

export const requests: Check = {
  name: 'gdpr-requests',
  title: 'Deadlines of erasure requests',
  group: 'operations',
  needs: ['lake'],
  run: async ({ lake, now, config }) => {
    const { listRequests } = await import('../../privacy/requests.js');
    const all = await listRequests((await lake()).lake);
    if (all.length === 0) return skipped('no request was ever recorded');
    const open = all
      .filter(({ state }) => state === 'open')
      .sort((a, b) => (a.dueAt < b.dueAt ? -1 : 1));
    const [first] = open;
    if (first === undefined) return ok(`all ${all.length} are erased`);
    const { warnDays, criticalDays } = config.privacy;
    const daysLeft = (record: RequestRecord) => daysUntil(new Date(record.dueAt), now());
    const soon = open.filter((record) => daysLeft(record) <= warnDays);
    const value = tenth(daysLeft(first));
    const shared = {
      value,
      unit: 'days' as const,
      evidence: {
        warnDays,
        criticalDays,
        requests: open.map(({ requestId, dueAt, hold }) => ({
          requestId,
          dueAt,
          held: hold !== null,
        })),
      },
    };
    if (soon.length === 0) return ok(`${open.length} open, the first due in ${value} days`, shared);
    const names = several(
      soon.map(({ requestId, hold }) => `${requestId}${hold === null ? '' : ' (on hold)'}`),
    );
    const when = value < 0 ? `overdue since ${-value} days` : `due in ${value} days`;
    const free = soon.filter(({ hold }) => hold === null).map(({ requestId }) => requestId);
    const finding = {
      ...shared,
      ...(free.length === 0
        ? {}
        : { runbook: { id: 'erase-person', input: { requestIds: free } } }),
      next: `Erase: reviewops gdpr erase ${first.requestId}; or extend it in time with its reason (reviewops gdpr extend).`,
    };
    return value <= criticalDays
      ? critical(`${names}: ${when}`, finding)
      : warning(`${names}: ${when}`, finding);
  },
};
