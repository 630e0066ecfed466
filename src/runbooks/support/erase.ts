import type { DatabaseClient } from '../../database/client.js';
import type { PlannedObject, PlannedUpload, Subject } from '../../privacy/erasure-plan.js';
import { PrivacyJournal, readEntries } from '../../privacy/journal.js';
import type { PrivacyKeys } from '../../privacy/keys.js';
import type { Needles } from '../../privacy/needles.js';
import type { Returned } from '../../privacy/replay.js';
import type { RequestRecord } from '../../privacy/requests.js';
import { withState } from '../../privacy/with-state.js';
import { invalid, refused } from '../../system/errors.js';
import type { JsonObject, StepContext } from '../engine/definition.js';
import { databaseOf, jobOf } from './context.js';

export interface EraseInput {
  requestIds?: string[] | undefined;
  due?: boolean | undefined;
  replay?: boolean | undefined;
}
export type EraseContext = StepContext<EraseInput>;

export const keysOf = async ({ services }: EraseContext): Promise<PrivacyKeys> => {
  const { derivePrivacyKeys } = await import('../../privacy/keys.js');
  return derivePrivacyKeys(await services.pseudonymKey());
};

/** The requests of the run: those named, or all that are open and not held. */
export async function requestsOf(context: EraseContext): Promise<RequestRecord[]> {
  const { services, input, plan } = context;
  const { listRequests, requireRequest } = await import('../../privacy/requests.js');
  const lake = await services.lake();
  const planned = plan?.targets.filter(({ type }) => type === 'request').map(({ name }) => name);
  const named = planned ?? input.requestIds;
  if (named !== undefined) {
    const records = await Promise.all(named.map((id) => requireRequest(lake, id)));
    return records.map(({ record }) => record);
  }
  if (input.replay === true) return returnedRequests(context);
  if (input.due !== true) {
    throw invalid('USAGE_ERROR', 'Name the requests, or take all that are due.', {
      hint: 'reviewops gdpr erase REQUEST, or --due',
    });
  }
  const open = (await listRequests(lake)).filter(
    ({ state, hold }) => state === 'open' && hold === null,
  );
  return open;
}

/**
 * The requests of the run, each of which may be carried out now.
 *
 * @throws LEGAL_HOLD, REQUEST_FINAL (exit 3), REQUEST_NOT_FOUND (exit 2)
 */
export async function requireOpen(context: EraseContext): Promise<RequestRecord[]> {
  const { requireNoHold } = await import('../../privacy/requests.js');
  const records = await requestsOf(context);
  for (const record of records) {
    requireNoHold(record);
    if (record.sealed === null && context.input.replay !== true) {
      throw refused('REQUEST_FINAL', `Request ${record.requestId} is final already.`);
    }
  }
  return records;
}

/** Who was erased and is in the database again; of what the tombstones recognise. */
async function returned(context: EraseContext): Promise<Returned> {
  const { findReturned } = await import('../../privacy/replay.js');
  const { readSuppression, requireKey } = await import('../../privacy/suppression.js');
  const keys = await keysOf(context);
  const list = await readSuppression(await context.services.lake());
  return withDatabase(context, 'gdpr replay', { write: false }, (client) =>
    findReturned(client, context.services.config, keys, requireKey(list, keys)),
  );
}

async function returnedRequests(context: EraseContext): Promise<RequestRecord[]> {
  const { listRequests } = await import('../../privacy/requests.js');
  const { runsOf } = await import('../../privacy/found.js');
  const { customer, buyer, requestIds } = await returned(context);
  if (customer.length + buyer.length === 0) return [];
  const records = await listRequests(await context.services.lake());
  return records.filter(
    (record) =>
      record.state !== 'open' &&
      [record.requestId, ...runsOf(record)].some((id) => requestIds.includes(id)),
  );
}

/** The people of the run with their identifiers, opened: personal, never to be written anywhere. */
export async function subjectsOf(context: EraseContext): Promise<Subject[]> {
  if (context.input.replay === true) {
    const { requestIds, customer, buyer } = await returned(context);
    const identifiers = { customer, buyer, email: [], phone: [] };
    return [{ requestId: requestIds[0] ?? '', identifiers }];
  }
  const { openIdentifiers } = await import('../../privacy/requests.js');
  const keys = await keysOf(context);
  return (await requireOpen(context)).map((record) => ({
    requestId: record.requestId,
    identifiers: openIdentifiers(record, keys),
  }));
}

/**
 * What earlier runs found about the same people: the rows that led to it may be gone by now.
 *
 * @throws ERASE_TOGETHER (exit 3) when it is about people of other requests, too
 */
export async function foundBefore(context: EraseContext): Promise<Needles> {
  const { Needles } = await import('../../privacy/needles.js');
  const { readFound } = await import('../../privacy/found.js');
  const known = new Needles();
  // Who is back with a restore is found by the tombstones.
  if (context.input.replay === true) return known;
  const records = await requireOpen(context);
  const ids = records.map(({ requestId }) => requestId);
  const lake = await context.services.lake();
  for (const runId of new Set(records.flatMap(({ begun }) => begun))) {
    const { requestIds, needles } = await readFound(lake, await keysOf(context), runId);
    const others = requestIds.filter((requestId) => !ids.includes(requestId));
    if (others.length > 0) {
      throw refused(
        'ERASE_TOGETHER',
        `Run ${runId} began to erase ${requestIds.join(', ')} in one pass: what it found is of all of them.`,
        {
          hint: `Go on with it (reviewops runbook resume ${runId}), or erase them together again: reviewops gdpr erase ${[...new Set([...ids, ...others])].join(' ')}`,
        },
      );
    }
    known.addAll(needles);
  }
  return known;
}

/** What searching and erasing take. The lake includes the files of this machine's state directory. */
export async function workOf(context: EraseContext, access = { write: false }) {
  const { services } = context;
  const { target, readOnly } = await databaseOf(context, access);
  return {
    lake: withState(await services.lake(), services.home),
    config: services.config,
    pseudonymKey: await services.pseudonymKey(),
    keys: await keysOf(context),
    scratch: await services.scratch(),
    job: jobOf(context),
    target,
    readOnly: readOnly === true,
  };
}

/** The planned objects, as the journal holds them. */
export const plannedObjects = ({ plan }: EraseContext): PlannedObject[] =>
  (plan?.targets ?? [])
    .filter(({ type }) => type === 'object' || type === 'version')
    .map(({ type, name, action, state }) => {
      const remains = /^remains \((.*)\)$/s.exec(action);
      return {
        ...(state as unknown as Omit<PlannedObject, 'key' | 'action' | 'why'>),
        key: name,
        action: remains !== null ? 'remains' : type === 'version' ? 'purge' : 'rewrite',
        why: remains?.[1] ?? null,
      };
    });

/** The uploads that nobody finished and that the plan aborts. */
export const plannedUploads = ({ plan }: EraseContext): PlannedUpload[] =>
  (plan?.targets ?? [])
    .filter(({ type }) => type === 'upload')
    .map(({ name, state }) => ({ key: name, begunAt: String(state.begunAt) }));

/** The tables of the plan; `fingerprint` is the digest that the rows had when it was made. */
export const plannedTables = ({ plan }: EraseContext) =>
  (plan?.targets ?? [])
    .filter(({ type }) => type === 'table')
    .map(({ name, state }) => ({
      table: name,
      rows: Number(state.rows),
      fingerprint: String(state.fingerprint),
      treatment: String(state.treatment),
    }));

/** Stops the run when a hold was put on one of its requests meanwhile. */
export const mayGoOn = (context: EraseContext) => async (): Promise<void> => {
  await requireOpen(context);
};

export async function withDatabase<T>(
  context: EraseContext,
  purpose: string,
  access: { write: boolean },
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const { withClient } = await import('../../database/client.js');
  const { target, ...options } = await databaseOf(context, access);
  return withClient(target, { purpose, ...options }, work);
}

/** Under which names the database notes what this run erased: its requests; else the run itself. */
export async function erasureNames(context: EraseContext): Promise<string[]> {
  const records = await requestsOf(context);
  return records.length === 0 ? [context.runId] : records.map(({ requestId }) => requestId);
}

/** What the database says this run erased; undefined when the transaction was not committed. */
export async function erasedInDatabase(context: EraseContext): Promise<JsonObject | undefined> {
  const names = await erasureNames(context);
  return withDatabase(context, 'gdpr verify', { write: false }, async (client) => {
    const rows = await client.query<{ request_id: string; tables: JsonObject[] }>(
      'SELECT request_id, tables FROM maintenance.gdpr_erasures WHERE run_id = $1',
      [context.runId],
    );
    const done = names.every((name) => rows.some((row) => row.request_id === name));
    return done ? { tables: rows[0]?.tables ?? [] } : undefined;
  });
}

export const journalOf = ({ services }: EraseContext): PrivacyJournal =>
  new PrivacyJournal(services.home, services.now);

/** Whether this run has announced that something is done. */
export async function journalled(
  { services, runId }: EraseContext,
  type: string,
): Promise<boolean> {
  const entries = await readEntries(services.home);
  return entries.some(({ event }) => event.type === type && event.runId === runId);
}
