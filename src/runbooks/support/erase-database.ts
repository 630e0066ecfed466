import type { Finding, Json, JsonObject, Verified } from '../engine/definition.js';
import {
  type EraseContext,
  erasedInDatabase,
  erasureNames,
  journalled,
  journalOf,
  mayGoOn,
  plannedTables,
  withDatabase,
  workOf,
} from './erase.js';

/** Notes in the privacy journal, once, what the transaction of this run did. */
async function noteDatabase(context: EraseContext, tables: Json): Promise<void> {
  const type = 'database.erased';
  if (await journalled(context, type)) return;
  await journalOf(context).append({ type, runId: context.runId, tables });
}

/** Deletes the planned rows in one transaction, which records itself by this run. */
export async function eraseDatabase(context: EraseContext): Promise<JsonObject> {
  const { eraseInDatabase } = await import('../../privacy/database-eraser.js');
  const { readModel } = await import('../../privacy/model.js');
  const { readFound } = await import('../../privacy/found.js');
  const { pseudonym } = await import('../../pipeline/pseudonym.js');
  await mayGoOn(context)();
  const { lake, keys, config, pseudonymKey } = await workOf(context, { write: true });
  const { needles } = await readFound(lake, keys, context.runId);
  const names = await erasureNames(context);
  const tables = await withDatabase(context, 'gdpr erase', { write: true }, async (client) =>
    eraseInDatabase(client, await readModel(client, config), needles, {
      planned: plannedTables(context),
      config,
      pseudonym: (id) => pseudonym(id, pseudonymKey),
      fingerprint: (text) => keys.digest('rows', text),
      record: async (done) => {
        for (const name of names) {
          await client.execute(
            `INSERT INTO maintenance.gdpr_erasures VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (request_id) DO UPDATE SET run_id = excluded.run_id,
               plan_hash = excluded.plan_hash, erased_at = excluded.erased_at, tables = excluded.tables`,
            [name, context.runId, '', context.services.now(), JSON.stringify(done)],
          );
        }
      },
    }),
  );
  await noteDatabase(context, tables);
  return { tables };
}

/** By that record; what the privacy journal lacks of it is added. */
export async function databaseErased(context: EraseContext): Promise<Verified> {
  const done = await erasedInDatabase(context);
  // The power may have gone between the commit and the journal.
  if (done !== undefined) await noteDatabase(context, done.tables ?? []);
  return done === undefined
    ? { done: false, summary: 'The transaction was not committed.' }
    : { done: true, summary: 'The rows are gone.', evidence: done };
}

/** Counts the rows of the people again. */
export async function noRowsLeft(context: EraseContext): Promise<Finding> {
  const { findInDatabase } = await import('../../privacy/database-finder.js');
  const { readModel } = await import('../../privacy/model.js');
  const { readFound } = await import('../../privacy/found.js');
  const { lake, keys, config } = await workOf(context);
  const { needles } = await readFound(lake, keys, context.runId);
  const left = await withDatabase(context, 'gdpr verify', { write: false }, async (client) =>
    findInDatabase(client, await readModel(client, config), needles),
  );
  const wrong = left.filter(({ table }) => table.rows !== 'keep');
  const names = wrong.map(({ table, rows }) => `${table.id}: ${rows}`);
  return names.length === 0
    ? { state: 'ok', summary: '0 rows.' }
    : { state: 'critical', summary: `There are rows again: ${names.join(', ')}.` };
}

/** Vacuums and analyses every table that may hold people. */
export async function vacuumPages(context: EraseContext): Promise<JsonObject> {
  const { cleanPages } = await import('../../privacy/database-eraser.js');
  const { readModel } = await import('../../privacy/model.js');
  const { config } = context.services;
  const full = config.privacy.vacuum === 'full';
  // All that may hold people: statistics outlive rows that went before this erasure.
  const tables = await withDatabase(context, 'gdpr vacuum', { write: true }, async (client) => {
    const model = await readModel(client, config);
    const people = model.tables.filter(
      ({ owning, kind }) => owning.length > 0 && (kind === 'table' || kind === 'partitioned'),
    );
    await cleanPages(client, people, full);
    return people.map(({ id }) => id);
  });
  await journalOf(context).append({ type: 'vacuumed', runId: context.runId, tables, full });
  return { tables, full };
}

/** By the privacy journal. */
export async function pagesVacuumed(context: EraseContext): Promise<Verified> {
  const done = await journalled(context, 'vacuumed');
  return { done, summary: done ? 'The tables are vacuumed.' : 'The vacuum has not ended.' };
}
