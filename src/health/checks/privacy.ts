import { daysUntil } from '../../privacy/deadline.js';
import type { RequestRecord } from '../../privacy/requests.js';
import { type Check, critical, ok, several, skipped, tenth, unknown, warning } from '../check.js';

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

/** Seconds: every id and address of the source is looked up among the tombstones. */
const longest = 120;

export const returned: Check = {
  name: 'gdpr-returned',
  title: 'Erased people who are back',
  group: 'operations',
  needs: ['database', 'lake'],
  timeoutSeconds: longest,
  run: async ({ database, lake, config, pseudonymKey }) => {
    const { readSuppression } = await import('../../privacy/suppression.js');
    const list = await readSuppression((await lake()).lake);
    if (list.tombstones.length === 0) return skipped('nobody was ever erased');
    const key = await pseudonymKey();
    const [{ findReturned, missingTombstones }, { derivePrivacyKeys }] = await Promise.all([
      import('../../privacy/replay.js'),
      import('../../privacy/keys.js'),
    ]);
    const keys = key === undefined ? undefined : derivePrivacyKeys(key);
    const known = list.tombstones.every(({ keyId }) => keyId === keys?.id);
    const { missing, back } = await (await database()).lease(async (client) => ({
      missing: (await missingTombstones(client, list.tombstones)).length,
      back:
        keys === undefined || !known
          ? undefined
          : await findReturned(client, config, keys, list.tombstones),
    }));
    const people = back === undefined ? null : back.customer.length + back.buyer.length;
    const finding = {
      value: people,
      unit: 'count' as const,
      evidence: {
        epoch: list.epoch,
        tombstones: list.tombstones.length,
        missingInDatabase: missing,
        people,
        requestIds: back?.requestIds ?? [],
      },
      runbook: { id: 'erase-person', input: { replay: true } },
      next: 'Let nobody read before they are erased again: reviewops gdpr replay',
    };
    if (missing > 0) {
      return critical(
        `the database lacks ${missing} of ${list.tombstones.length} tombstones: it was restored to a time before an erasure`,
        finding,
      );
    }
    if (people === null) {
      return unknown(
        'with this REVIEWOPS_PSEUDONYM_KEY, or without one, nobody can tell who was erased',
        { evidence: finding.evidence, next: 'Set it to the key of the erasures.' },
      );
    }
    return people === 0
      ? ok('nobody', { value: 0, unit: 'count', evidence: finding.evidence })
      : critical(`${people} who were erased are in the database again`, finding);
  },
};
