import type { Lake } from '../../lake/lake.js';
import { batchLeaseName } from '../../lake/layout.js';
import type { Certificate } from '../../privacy/certificate.js';
import type { Discovery } from '../../privacy/erasure-plan.js';
import { normalForm } from '../../privacy/identifiers.js';
import type { RequestRecord } from '../../privacy/requests.js';
import type { NewTombstone } from '../../privacy/suppression.js';
import { throwIfAborted } from '../../system/errors.js';
import type { Json, JsonObject, Verified } from '../engine/definition.js';
import { readJournal } from '../engine/journal.js';
import {
  type EraseContext,
  journalOf,
  keysOf,
  mayGoOn,
  plannedObjects,
  plannedTables,
  requestsOf,
  withDatabase,
} from './erase.js';
import { outcomeOf } from './erase-outcome.js';

/**
 * Commits the tombstones: to the lake, which a restore of the database does not take back, and to
 * the database for whoever queries it.
 */
export async function suppressPeople(
  context: EraseContext,
  { needles }: Discovery,
): Promise<JsonObject> {
  const { addTombstones } = await import('../../privacy/suppression.js');
  const { keepFound } = await import('../../privacy/found.js');
  const { openIdentifiers, updateRequest } = await import('../../privacy/requests.js');
  const { pseudonym } = await import('../../pipeline/pseudonym.js');
  const { now } = context.services;
  const keys = await keysOf(context);
  const lake = await context.services.lake();
  const pseudonymKey = await context.services.pseudonymKey();
  await mayGoOn(context)();
  const records = await requestsOf(context);
  const requestIds = records.map((record) => record.requestId);
  await keepFound(lake, keys, context.runId, { requestIds, needles });
  const effectiveAt = now().toISOString();
  // Who came back with a restore has tombstones already.
  const fresh = context.input.replay === true ? [] : records;
  for (const { requestId } of fresh) {
    await updateRequest(lake, requestId, (record) => ({
      ...record,
      begun: [...new Set([...record.begun, context.runId])],
    }));
  }
  const tombstones: NewTombstone[] = fresh.flatMap((record) => {
    const identifiers = openIdentifiers(record, keys);
    return (['customer', 'buyer', 'email', 'phone'] as const).flatMap((kind) =>
      identifiers[kind].map((value) => ({
        requestId: nameFor(context, record),
        kind,
        digest: keys.digest(kind, normalForm(kind, value)),
        effectiveAt,
      })),
    );
  });
  const [only] = records;
  const requestId =
    records.length === 1 && only !== undefined ? nameFor(context, only) : context.runId;
  for (const id of context.input.replay === true ? [] : needles.of('customer')) {
    const digest = keys.digest('customer', id);
    if (!tombstones.some((one) => one.kind === 'customer' && one.digest === digest)) {
      tombstones.push({ requestId, kind: 'customer', digest, effectiveAt });
    }
    const own = keys.digest('pseudonym', pseudonym(id, pseudonymKey));
    tombstones.push({ requestId, kind: 'pseudonym', digest: own, effectiveAt });
  }
  const journal = journalOf(context);
  const count = tombstones.length;
  await journal.append({ type: 'suppressing', runId: context.runId, requestIds, count });
  const { epoch, tombstones: all } = await addTombstones(lake, keys, tombstones);
  await withDatabase(context, 'gdpr suppress', { write: true }, async (client) => {
    for (const one of all) {
      await client.execute(
        `INSERT INTO maintenance.gdpr_tombstones VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
        [one.requestId, one.kind, one.digest, one.keyId, one.effectiveAt, one.epoch],
      );
    }
  });
  await waitForPublishers(context, lake);
  return { epoch, tombstones: count };
}

/** Whether every request has its tombstones, and what was found is kept. */
export async function suppressed(context: EraseContext): Promise<Verified> {
  const { readSuppression } = await import('../../privacy/suppression.js');
  const { foundKey } = await import('../../lake/privacy-layout.js');
  const lake = await context.services.lake();
  const { epoch, tombstones } = await readSuppression(lake);
  const records = await requestsOf(context);
  const missing = records.filter(
    ({ requestId }) =>
      !tombstones.some((one) => [requestId, context.runId].includes(one.requestId)),
  );
  const kept = (await lake.head(foundKey(context.runId))) !== undefined;
  const done = missing.length === 0 && kept;
  return {
    done,
    summary: done ? `Suppressed from epoch ${epoch}.` : 'The tombstones are not there.',
    evidence: { epoch },
  };
}

/**
 * Under which name a request's tombstones stand. When it is erased again and there is something to
 * erase, they count up to now: under the name of the run they come beside those of the first time.
 */
const nameFor = ({ runId, plan }: EraseContext, { requestId, begun }: RequestRecord): string => {
  const again = begun.some((other) => other !== runId);
  const erases = plan?.targets.some(({ type }) => dataTypes.includes(type)) === true;
  return again && erases ? runId : requestId;
};

const dataTypes = ['table', 'object', 'version'];

const pollMilliseconds = 200;

/**
 * Whoever works on a batch may have read the list before this erasure was on it. Each of them looks
 * again before it lets its batch go; after that, nothing that was read before is published any more.
 */
async function waitForPublishers(context: EraseContext, lake: Lake): Promise<void> {
  const { listLeases } = await import('../../lake/lease.js');
  const { setTimeout: pause } = await import('node:timers/promises');
  const working = async () => {
    const leases = await listLeases(lake, context.services.now());
    return leases
      .filter(({ name, live }) => live && name.startsWith(batchLeaseName('')))
      .map(({ name, acquiredAt }) => `${name} since ${acquiredAt.toISOString()}`);
  };
  const before = new Set(await working());
  for (let said = false; ; said = true) {
    const left = (await working()).filter((name) => before.has(name));
    if (left.length === 0) return;
    if (!said) context.output(`Waiting for ${left.join(', ')}.`);
    await pause(pollMilliseconds, undefined, { signal: context.signal }).catch(() =>
      throwIfAborted(context.signal),
    );
  }
}

/** Writes the certificates and closes the requests. */
export async function documentErasure(context: EraseContext): Promise<JsonObject> {
  const { residualsOf, stateOf, writeCertificate } = await import('../../privacy/certificate.js');
  const { updateRequest } = await import('../../privacy/requests.js');
  const { forget } = await import('../../privacy/found.js');
  const { foundKey } = await import('../../lake/privacy-layout.js');
  const { config, now } = context.services;
  const lake = await context.services.lake();
  const records = await requestsOf(context);
  const { plan, results, runId } = context;
  const journal = journalOf(context);
  const erasedAt = now();
  const objects = plannedObjects(context);
  const totals = plan?.totals ?? {};
  const tables = (results.database?.verified?.evidence?.tables ?? []) as Json[];
  const requestIds = records.map(({ requestId }) => requestId);
  const approved = await approvalOf(context);
  const head = await journal.append({ type: 'certifying', runId, requestIds });
  for (const record of records) {
    const { requestId, receivedAt, dueAt } = record;
    const certificate: Omit<Certificate, 'state'> = {
      format: 1,
      requestId,
      receivedAt,
      dueAt,
      erasedAt: record.erasedAt ?? erasedAt.toISOString(),
      issuedAt: now().toISOString(),
      runId,
      ...approved,
      foundBy: (totals.foundBy ?? []) as Certificate['foundBy'],
      database: { tables: tables as Certificate['database']['tables'] },
      lake: {
        filesScanned: Number(totals.filesScanned ?? 0),
        filesRewritten: Number(totals.filesRewritten ?? 0),
        rowsRemoved: Number(totals.rowsRemoved ?? 0),
        versionsPurged: Number(totals.versionsPurged ?? 0),
        objects: objects.map(({ key, action, rows }) => ({ key, action, rows })),
      },
      ...outcomeOf(context),
      kept: keptOf(context),
      pending: residualsOf(config.privacy.residuals, erasedAt),
      journal: head,
    };
    // What was certified stays as it was; the journal tells of those who came back and went again.
    if (context.input.replay !== true) {
      await writeCertificate(lake, { ...certificate, state: stateOf(certificate, now()) });
    }
    await updateRequest(lake, requestId, (present) => ({
      ...present,
      state: present.state === 'final' ? 'final' : 'erased',
      erasedAt: present.erasedAt ?? erasedAt.toISOString(),
      runId,
    }));
  }
  if (records.every(({ state }) => state === 'final')) await forget(lake, foundKey(runId));
  const type = context.input.replay === true ? 'replayed' : 'certified';
  await journal.append({ type, runId, requestIds });
  return { requestIds };
}

/** The plan's hash and who approved it, by the run's journal. */
async function approvalOf({
  services,
  runId,
}: EraseContext): Promise<Pick<Certificate, 'planHash' | 'approvals'>> {
  const { entries } = await readJournal(services.home, runId);
  let hash = '';
  let approvals: Certificate['approvals'] = [];
  for (const { at, event } of entries) {
    if (event.type === 'plan.made') {
      hash = event.hash;
      approvals = [];
    } else if (event.type === 'approval.given') {
      approvals.push({ by: event.by, how: event.how, at });
    }
  }
  return { planHash: hash, approvals };
}

function keptOf(context: EraseContext): Certificate['kept'] {
  const kept: Certificate['kept'] = [];
  for (const { table, rows, treatment } of plannedTables(context)) {
    if (treatment !== 'keep') continue;
    const [schema = '', name = ''] = table.split('.');
    const rule = context.services.config.privacy.tables;
    const own = rule[table] ?? rule[name] ?? rule[`${schema}.*`];
    kept.push({
      table,
      rows,
      reason: own?.reason ?? '',
      owner: own?.owner ?? '',
      reviewAt: own?.reviewAt ?? '',
    });
  }
  return kept;
}
