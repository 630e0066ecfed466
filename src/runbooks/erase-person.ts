import { z } from 'zod';
import { defineRunbook, type Json } from './engine/definition.js';
import { jobOf } from './support/context.js';
import {
  type EraseContext,
  erasedInDatabase,
  erasureNames,
  journalled,
  journalOf,
  mayGoOn,
  plannedObjects,
  plannedTables,
  plannedUploads,
  requestsOf,
  requireOpen,
  withDatabase,
  workOf,
} from './support/erase.js';
import { documented, verifyAgain } from './support/erase-outcome.js';
import { discovered, makePlan } from './support/erase-plan.js';
import { documentErasure, suppressPeople } from './support/erase-records.js';

const inputs = z.strictObject({
  requestIds: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Ids of the requests, as `gdpr request` recorded them.'),
  due: z
    .boolean()
    .default(false)
    .describe('All open requests that no hold stops, in one pass over the lake.'),
  replay: z
    .boolean()
    .default(false)
    .describe('After a restore of the database: everybody who was erased and is there again.'),
});

/** A lake takes as long as it takes. */
const long = 86_400;

const byHand = (end: string): string =>
  `psql "$NEON_DB_URL" -v id=CUSTOMER_ID -c "${end}"   # the id from standard input, not from history`;

/** Notes in the privacy journal, once, what the transaction of this run did. */
async function noteDatabase(context: EraseContext, tables: Json): Promise<void> {
  const type = 'database.erased';
  if (await journalled(context, type)) return;
  await journalOf(context).append({ type, runId: context.runId, tables });
}

const somethingPlanned = ({ plan }: EraseContext): true | string =>
  plan === undefined || plan.targets.length > 0 ? true : 'The plan names nobody.';

export default defineRunbook({
  module: import.meta.url,
  id: 'erase-person',
  title: 'Erase a person, and prove it',
  summary:
    'Erases everything of the people of recorded requests from database and lake, old versions included, keeps them from coming back, reads all of it again, and writes a certificate.',
  symptoms: [
    'GDPR request',
    'delete a customer',
    'right to be forgotten',
    'forget me',
    'forget a customer',
    'erasure request',
    'remove personal data',
  ],
  tags: ['gdpr', 'privacy', 'erasure'],
  roles: ['admin'],
  risk: 'destroy',
  inputs,
  targets: () => ['gdpr'],
  steps: [
    {
      kind: 'check',
      id: 'request',
      title: 'Is the request open, and does no hold stop it?',
      why: 'Only what was recorded is erased, and what a court wants kept is not.',
      manual: () => 'reviewops gdpr list',
      must: true,
      run: async (context) => {
        const records = await requireOpen(context);
        const first = records.map(({ dueAt }) => dueAt).sort()[0];
        return {
          state: 'ok',
          summary:
            records.length === 0
              ? 'No request is open.'
              : `${records.length} open, due from ${first?.slice(0, 10)}.`,
          evidence: { requestIds: records.map(({ requestId }) => requestId) },
        };
      },
    },
    {
      kind: 'plan',
      id: 'plan',
      title: 'Find the person everywhere',
      why: 'Links lead from what was given to every row and file. What nobody has classified stops the erasure here, by name, before anything is touched.',
      manual: () => 'reviewops gdpr plan REQUEST; reviewops gdpr map',
      timeout: long,
      run: makePlan,
    },
    {
      kind: 'manual',
      id: 'fan-out',
      title: 'Look at what was found',
      why: 'More was found than one person usually has. A shared address or a wrong link would erase somebody else.',
      manual: () => 'reviewops gdpr plan REQUEST',
      when: ({ plan }) =>
        plan?.totals.fanOut === true ? true : 'No more was found than one person usually has.',
      instruction: ({ plan }) =>
        `${plan?.summary} ${plan?.totals.people} customers were found. Make sure that all of it is of the people of these requests.`,
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the erasure',
      why: 'Nothing brings back what is erased. The approval counts for this plan and no other.',
      manual: () => 'reviewops gdpr erase REQUEST --plan HASH',
      name: ({ plan, input }) => {
        if (input.due || input.replay) return 'people';
        const requests = (plan?.targets ?? []).filter(({ type }) => type === 'request');
        return requests.length === 1 ? (requests[0]?.name ?? '') : 'people';
      },
      question: ({ plan }) => `${plan?.summary} This cannot be undone.`,
    },
    {
      kind: 'act',
      id: 'suppress',
      title: 'Suppress first',
      why: 'A tombstone, kept in the lake and in the database, makes the pipeline drop the person from whatever it has read already.',
      manual: () => 'psql "$NEON_DB_URL" -c "SELECT * FROM maintenance.gdpr_tombstones"',
      timeout: long,
      run: async (context) => suppressPeople(context, await discovered(context)),
      verify: async (context) => {
        const { readSuppression } = await import('../privacy/suppression.js');
        const { foundKey } = await import('../lake/privacy-layout.js');
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
      },
    },
    {
      kind: 'act',
      id: 'database',
      title: 'Delete the rows, children before parents',
      why: 'One transaction: the rows must be those of the plan, to the last one, or nothing is changed. Views are refreshed in it, so that they show nothing of before.',
      manual: () =>
        byHand(
          "DELETE FROM amazon.review WHERE customer_id = :'id'; DELETE FROM amazon.fact_reviews WHERE customer_id = :'id'",
        ),
      timeout: long,
      run: async (context) => {
        const { eraseInDatabase } = await import('../privacy/database-eraser.js');
        const { readModel } = await import('../privacy/model.js');
        const { readFound } = await import('../privacy/found.js');
        const { pseudonym } = await import('../pipeline/pseudonym.js');
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
      },
      verify: async (context) => {
        const done = await erasedInDatabase(context);
        // The power may have gone between the commit and the journal.
        if (done !== undefined) await noteDatabase(context, done.tables ?? []);
        return done === undefined
          ? { done: false, summary: 'The transaction was not committed.' }
          : { done: true, summary: 'The rows are gone.', evidence: done };
      },
    },
    {
      kind: 'check',
      id: 'zero-rows',
      title: 'Ask for the rows again: there must be 0',
      why: 'The procedure of the documents ends with this question.',
      manual: () =>
        byHand(
          "SELECT count(*) FROM amazon.review WHERE customer_id = :'id'; SELECT count(*) FROM amazon.fact_reviews WHERE customer_id = :'id'",
        ),
      must: true,
      timeout: long,
      when: somethingPlanned,
      run: async (context) => {
        const { findInDatabase } = await import('../privacy/database-finder.js');
        const { readModel } = await import('../privacy/model.js');
        const { readFound } = await import('../privacy/found.js');
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
      },
    },
    {
      kind: 'act',
      id: 'vacuum',
      title: 'Take the dead rows out of the tables',
      why: 'A deleted row stays in the pages of its table until VACUUM, and in the statistics until ANALYZE.',
      manual: () => 'psql "$NEON_DB_URL" -c "VACUUM (ANALYZE) amazon.review"',
      timeout: long,
      run: async (context) => {
        const { cleanPages } = await import('../privacy/database-eraser.js');
        const { readModel } = await import('../privacy/model.js');
        const { config } = context.services;
        const full = config.privacy.vacuum === 'full';
        // All that may hold people: statistics outlive rows that went before this erasure.
        const tables = await withDatabase(
          context,
          'gdpr vacuum',
          { write: true },
          async (client) => {
            const model = await readModel(client, config);
            const people = model.tables.filter(
              ({ owning, kind }) =>
                owning.length > 0 && (kind === 'table' || kind === 'partitioned'),
            );
            await cleanPages(client, people, full);
            return people.map(({ id }) => id);
          },
        );
        await journalOf(context).append({ type: 'vacuumed', runId: context.runId, tables, full });
        return { tables, full };
      },
      verify: async (context) => {
        const done = await journalled(context, 'vacuumed');
        return { done, summary: done ? 'The tables are vacuumed.' : 'The vacuum has not ended.' };
      },
    },
    {
      kind: 'act',
      id: 'lake',
      title: 'Rewrite the files, purge their old versions',
      why: 'Each file is written again without the rows, compared value by value, read back, and then exactly the versions that held the person are purged. Each of these is in the journal before it happens.',
      manual: () =>
        'aws s3api list-object-versions --bucket BUCKET --prefix KEY; aws s3api delete-object --bucket BUCKET --key KEY --version-id ID',
      timeout: long,
      run: async (context) => {
        const { eraseInLake } = await import('../privacy/lake-eraser.js');
        const { readFound } = await import('../privacy/found.js');
        const { readModel } = await import('../privacy/model.js');
        const { services, runId } = context;
        const { home, now } = services;
        const work = await workOf(context);
        const model = await withDatabase(context, 'gdpr erase', { write: false }, (client) =>
          readModel(client, work.config),
        );
        await eraseInLake({
          ...work,
          job: jobOf(context),
          model,
          home,
          runId,
          now,
          journal: journalOf(context),
          needles: (await readFound(work.lake, work.keys, runId)).needles,
          planned: plannedObjects(context),
          uploads: plannedUploads(context),
          mayGoOn: mayGoOn(context),
        });
        await journalOf(context).append({ type: 'lake.erased', runId });
        return {};
      },
      verify: async (context) => {
        const objects = plannedObjects(context).filter(({ action }) => action !== 'remains');
        const keys = new Set(objects.map(({ key }) => key));
        // What the files hold now is read by the step `verify`.
        const done = await journalled(context, 'lake.erased');
        return {
          done,
          summary: done
            ? `${keys.size} files were rewritten or purged.`
            : `Not all of ${keys.size} files are done.`,
        };
      },
    },
    {
      kind: 'check',
      id: 'verify',
      title: 'Read everything again, in another way',
      why: 'What was deleted by one search is looked for by another: all texts of all tables and files, old versions included. Found means not done.',
      manual: () => 'reviewops gdpr verify REQUEST',
      must: true,
      timeout: long,
      when: somethingPlanned,
      run: verifyAgain,
    },
    {
      kind: 'act',
      id: 'document',
      title: 'Document the erasure',
      why: 'The certificate says what was done, what is kept and why, and what is gone only later. It names nobody.',
      manual: () => 'reviewops gdpr certificate REQUEST',
      run: documentErasure,
      verify: documented,
    },
  ],
});
