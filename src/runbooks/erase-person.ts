import { z } from 'zod';
import { defineRunbook } from './engine/definition.js';
import { type EraseContext, requireOpen } from './support/erase.js';
import {
  databaseErased,
  eraseDatabase,
  noRowsLeft,
  pagesVacuumed,
  vacuumPages,
} from './support/erase-database.js';
import { eraseLake, lakeErased } from './support/erase-lake.js';
import { documented, verifyAgain } from './support/erase-outcome.js';
import { discovered, makePlan } from './support/erase-plan.js';
import { documentErasure, suppressed, suppressPeople } from './support/erase-records.js';

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
      verify: suppressed,
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
      run: eraseDatabase,
      verify: databaseErased,
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
      run: noRowsLeft,
    },
    {
      kind: 'act',
      id: 'vacuum',
      title: 'Take the dead rows out of the tables',
      why: 'A deleted row stays in the pages of its table until VACUUM, and in the statistics until ANALYZE.',
      manual: () => 'psql "$NEON_DB_URL" -c "VACUUM (ANALYZE) amazon.review"',
      timeout: long,
      run: vacuumPages,
      verify: pagesVacuumed,
    },
    {
      kind: 'act',
      id: 'lake',
      title: 'Rewrite the files, purge their old versions',
      why: 'Each file is written again without the rows, compared value by value, read back, and then exactly the versions that held the person are purged. Each of these is in the journal before it happens.',
      manual: () =>
        'aws s3api list-object-versions --bucket BUCKET --prefix KEY; aws s3api delete-object --bucket BUCKET --key KEY --version-id ID',
      timeout: long,
      run: eraseLake,
      verify: lakeErased,
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
