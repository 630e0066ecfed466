import type { DatabaseClient } from '../../database/client.js';
import type {
  Discovery,
  PlannedObject,
  PlannedUpload,
  Subject,
} from '../../privacy/erasure-plan.js';
import { PrivacyJournal, readEntries } from '../../privacy/journal.js';
import type { PrivacyKeys } from '../../privacy/keys.js';
import type { Returned } from '../../privacy/replay.js';
import type { RequestRecord } from '../../privacy/requests.js';
import { withState } from '../../privacy/with-state.js';
import { formatCount } from '../../system/duration.js';
import { invalid, refused } from '../../system/errors.js';
import type { JsonObject, StepContext } from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
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

/** Tombstones of the lake that the restored database lacks. */
async function lostTombstones(context: EraseContext): Promise<number> {
  if (context.input.replay !== true) return 0;
  const { missingTombstones } = await import('../../privacy/replay.js');
  const { readSuppression } = await import('../../privacy/suppression.js');
  const { tombstones } = await readSuppression(await context.services.lake());
  return withDatabase(
    context,
    'gdpr replay',
    { write: false },
    async (client) => (await missingTombstones(client, tombstones)).length,
  );
}

async function returnedRequests(context: EraseContext): Promise<RequestRecord[]> {
  const { listRequests } = await import('../../privacy/requests.js');
  const { customer, buyer, requestIds } = await returned(context);
  if (customer.length + buyer.length === 0) return [];
  const records = await listRequests(await context.services.lake());
  const erased = records.filter(
    ({ requestId, runId, state }) =>
      state !== 'open' && (requestIds.includes(requestId) || requestIds.includes(runId ?? '')),
  );
  return erased;
}

async function subjectsOf(context: EraseContext): Promise<Subject[]> {
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

/** What the last plan of a run found, for its first act; identifiers stay in memory. */
const discoveries = new Map<string, Discovery>();

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

export async function discovered(context: EraseContext): Promise<Discovery> {
  const known = discoveries.get(context.runId);
  if (known !== undefined) return known;
  const { discover } = await import('../../privacy/erasure-plan.js');
  return discover(await workOf(context), await subjectsOf(context));
}

export async function makePlan(context: EraseContext): Promise<Plan> {
  const { discover } = await import('../../privacy/erasure-plan.js');
  const records = await requireOpen(context);
  const keys = await keysOf(context);
  const found = await discover(await workOf(context), await subjectsOf(context));
  discoveries.set(context.runId, found);
  requireCovered(found);
  const lost = await lostTombstones(context);
  const targets: PlanTarget[] = [
    ...(lost === 0
      ? []
      : [
          {
            type: 'tombstones',
            name: 'maintenance.gdpr_tombstones',
            action: 'copy from the lake',
            state: { missing: lost },
          },
        ]),
    ...records.map(({ requestId, digest, dueAt }) => ({
      type: 'request',
      name: requestId,
      action: 'erase',
      state: { digest, dueAt },
    })),
    ...found.tables.map(({ table, rows, fingerprint }) => ({
      type: 'table',
      name: table.id,
      action: actionOn(table),
      state: {
        rows,
        fingerprint: keys.digest('rows', fingerprint),
        treatment: table.rows ?? 'keep',
      },
    })),
    ...found.objects.map(targetOf),
    ...found.uploads.map(({ key, begunAt }) => ({
      type: 'upload',
      name: key,
      action: 'call off',
      state: { begunAt },
    })),
  ];
  const { fanOut } = context.services.config.privacy;
  const rows = found.tables.reduce((sum, table) => sum + table.rows, 0);
  const wide = found.people > fanOut.people * records.length || rows > fanOut.rows * records.length;
  const rewritten = found.objects.filter(({ action }) => action === 'rewrite');
  const purged = found.objects.filter(
    ({ versionId, action, retained }) =>
      versionId !== null && retained === null && action !== 'remains',
  );
  return {
    summary: `Erase ${records.length} ${records.length === 1 ? 'person' : 'people'}: ${formatCount(rows)} rows of ${found.tables.length} tables, ${rewritten.length} files of the lake to rewrite, ${purged.length} old versions to purge.`,
    targets,
    totals: {
      people: found.people,
      rows,
      fanOut: wide,
      filesScanned: found.lake.filesScanned,
      filesRewritten: rewritten.length,
      rowsRemoved: rewritten.reduce((sum, object) => sum + object.rows, 0),
      versionsPurged: purged.length,
      foundBy: foundBy(found),
    },
    notes: [
      ...foundBy(found).map(
        ({ place, via, rows: count }) => `${place}: ${count} rows found by ${via}.`,
      ),
      ...found.lake.notes,
      ...found.lake.mentions.map(
        ({ place, rows: count }) =>
          `${place}: ${count} records of others name the person: a case for a person.`,
      ),
      ...found.objects.flatMap(({ key, action, why }) =>
        action === 'remains' ? [`${key} stays as it is: ${why}.`] : [],
      ),
      ...found.objects.flatMap(({ key, versionId, retained }) =>
        retained === null ? [] : [`Version ${versionId} of ${key} is retained until ${retained}.`],
      ),
      ...(wide ? ['More was found than one person usually has: somebody has to look first.'] : []),
    ],
  };
}

const actionOn = ({ rows, rule }: Discovery['tables'][number]['table']): string =>
  rows === 'keep'
    ? `keep (${rule.reason}; ${rule.owner}; review ${rule.reviewAt})`
    : (rows ?? 'keep');

const foundBy = ({ tables }: Discovery): { place: string; via: string; rows: number }[] =>
  tables.flatMap(({ table, by }) =>
    by.filter(({ rows }) => rows > 0).map(({ via, rows }) => ({ place: table.id, via, rows })),
  );

function targetOf(object: PlannedObject): PlanTarget {
  const { key, action, why, ...state } = object;
  return {
    type: action === 'purge' ? 'version' : 'object',
    name: key,
    action: action === 'remains' ? `remains (${why})` : action,
    state,
  };
}

/** What is not covered is named, and nothing is touched. */
function requireCovered(found: Discovery): void {
  const { unclassified, problems, lake } = found;
  const show = (names: readonly string[]) =>
    `${names.slice(0, 10).join('; ')}${names.length > 10 ? ` and ${names.length - 10} more` : ''}`;
  if (lake.revealing.length > 0) {
    throw refused(
      'KEYS_REVEAL',
      `The names of these objects hold an identifier, and would have to stand in plan, journal and certificate: ${show(lake.revealing)}.`,
      { hint: 'Delete them, or put them under other names; then plan again.' },
    );
  }
  if (unclassified.length > 0) {
    throw refused(
      'UNCLASSIFIED',
      `What these hold is not known, so nobody can say that the person is not in them: ${show(unclassified)}.`,
      { hint: 'Classify them in privacy.tables or privacy.files (reviewops gdpr map).' },
    );
  }
  if (problems.length > 0) {
    throw refused('TREATMENT_IMPOSSIBLE', `${show(problems)}.`, {
      hint: 'Change the treatment in privacy.tables.',
    });
  }
  if (lake.unreadable.length > 0) {
    const names = lake.unreadable.map(({ name, why }) => `${name} (${why})`);
    throw refused('FILES_UNREADABLE', `These files cannot be searched: ${show(names)}.`, {
      hint: 'Restore or delete them; `reviewops batch verify` names damaged files.',
    });
  }
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

export const plannedUploads = ({ plan }: EraseContext): PlannedUpload[] =>
  (plan?.targets ?? [])
    .filter(({ type }) => type === 'upload')
    .map(({ name, state }) => ({ key: name, begunAt: String(state.begunAt) }));

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
