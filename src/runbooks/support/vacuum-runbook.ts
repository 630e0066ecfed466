import { defineRunbook, type Runbook, type RunbookDraft } from '../engine/definition.js';
import {
  actCheckpoint,
  actId,
  actRefresh,
  actVacuum,
  verifyCheckpoint,
  verifyRefresh,
  verifyVacuum,
} from './vacuum-acts.js';
import { checkSpace, findHolders, lookAtTables } from './vacuum-checks.js';
import { planVacuum } from './vacuum-plan.js';
import { type VacuumInput, vacuumInputs } from './vacuum-tables.js';

const tableText = ({ tables }: VacuumInput): string => tables?.[0] ?? 'amazon.review';

/** A vacuum takes as long as the table is large. */
const vacuumTimeout = 86_400;

/** The runbook in one of its two forms: beside the readers, or writing every table anew. */
export const vacuumRunbook = (
  full: boolean,
  identity: Pick<
    RunbookDraft<typeof vacuumInputs>,
    'module' | 'id' | 'title' | 'summary' | 'symptoms' | 'tags' | 'roles' | 'risk'
  >,
): Runbook =>
  defineRunbook({
    ...identity,
    inputs: vacuumInputs,
    targets: () => ['vacuum=database'],
    steps: [
      {
        kind: 'check',
        id: 'blockers',
        title: 'Who keeps dead rows alive?',
        why: 'VACUUM removes only what nobody can see any more. One forgotten session, prepared transaction or replication slot makes it work for hours and remove nothing.',
        manual: () =>
          'psql "$NEON_DB_URL" -c "SELECT pid, usename, state, age(backend_xmin) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL ORDER BY 4 DESC"',
        run: (context) => findHolders(context, full),
      },
      {
        kind: 'check',
        id: 'statistics',
        title: 'How many rows are dead?',
        why: 'Where the server lost its statistics (a suspended compute, a crash), the number is unknown and not 0.',
        manual: () =>
          'psql "$NEON_DB_URL" -c "SELECT relid::regclass, n_live_tup, n_dead_tup, last_vacuum, last_autovacuum FROM pg_stat_user_tables ORDER BY n_dead_tup DESC"',
        run: lookAtTables,
      },
      ...(full
        ? ([
            {
              kind: 'check',
              id: 'space',
              title: 'Is there room for a second copy of the largest table?',
              why: 'A full vacuum writes table and indexes anew and deletes the old ones after. A full disk in between stops the database.',
              manual: () =>
                'df -h; psql -c "SELECT pg_size_pretty(pg_total_relation_size(\'amazon.review\'))"',
              must: true,
              run: checkSpace,
            },
          ] as const)
        : []),
      {
        kind: 'plan',
        id: 'plan',
        title: 'Choose the tables',
        why: 'It names each table with its dead rows and its size, and says what is locked, how long, and what it brings.',
        manual: () => 'reviewops db vacuum --dry-run',
        run: (context) => planVacuum(context, full),
      },
      {
        kind: 'approve',
        id: 'approve',
        title: full ? 'Approve that the tables are locked' : 'Approve the vacuum',
        why: full
          ? 'Nobody reads or writes a table while it is written anew.'
          : 'It costs input and output while it runs.',
        manual: () =>
          full ? 'reviewops db vacuum --full --plan HASH' : 'reviewops db vacuum --yes',
        name: ({ input: { tables } }) => (tables?.length === 1 ? (tables[0] ?? '') : 'tables'),
        question: ({ plan }) =>
          full ? `${plan?.summary} Nobody can use a table meanwhile.` : `${plan?.summary}`,
      },
      {
        kind: 'act',
        id: actId,
        title: full ? 'Write the tables anew' : 'Vacuum table by table',
        why: 'The smallest first. Stopped in the middle of a table, that table is as it was.',
        manual: (input) =>
          `psql "$NEON_DB_URL" -c "VACUUM (${full ? 'FULL, ' : ''}ANALYZE) ${tableText(input)}"`,
        timeout: vacuumTimeout,
        run: (context) => actVacuum(context, full),
        verify: (context) => verifyVacuum(context, full),
      },
      {
        kind: 'act',
        id: 'refresh-views',
        title: 'Refresh the materialised views',
        why: 'They show what the tables held when they were last refreshed.',
        manual: () =>
          'psql "$NEON_DB_URL" -c "REFRESH MATERIALIZED VIEW CONCURRENTLY amazon.product_summary"',
        when: ({ input }) => (input.refreshViews ? true : 'Not asked for (--refresh-views).'),
        timeout: vacuumTimeout,
        run: actRefresh,
        verify: verifyRefresh,
      },
      {
        kind: 'act',
        id: 'checkpoint',
        title: 'Make a checkpoint',
        why: 'What was cleaned reaches the data files now, and a restart after a crash has less to replay.',
        manual: () => 'psql "$NEON_DB_URL" -c CHECKPOINT',
        when: ({ input, plan }) => {
          if (!input.checkpoint) return 'Not wanted (--no-checkpoint).';
          return plan?.totals.checkpoint === null
            ? 'This role may not make a checkpoint, or not see it (pg_checkpoint); the server makes its own.'
            : true;
        },
        timeout: vacuumTimeout,
        run: actCheckpoint,
        verify: verifyCheckpoint,
      },
    ],
  });
