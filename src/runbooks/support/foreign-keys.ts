import type { ForeignKey } from '../../database/foreign-keys.js';
import type { ActStep, CheckStep } from '../engine/definition.js';
import type { PlanTarget } from '../engine/plan.js';
import { type AnyContext, databaseOf, reading } from './context.js';
import { abridge, listing } from './evidence.js';

/** Foreign keys that a dropped table took along: how they are found, planned and made again. */

/** Foreign keys that went with a table they pointed at. */
export const lostKeys = (context: AnyContext): Promise<ForeignKey[]> =>
  reading(context, 'missing foreign keys', async (client) => {
    const { missingForeignKeys } = await import('../../database/foreign-keys.js');
    return missingForeignKeys(client, context.services.config);
  });

export const nameOf = ({ table, columns, references }: ForeignKey): string =>
  `${table}(${columns.join(', ')}) to ${references}`;

export const foreignKeyTargets = async (context: AnyContext): Promise<PlanTarget[]> =>
  (await lostKeys(context)).map((key) => ({
    type: 'foreign-key',
    name: nameOf(key),
    action: 'make the foreign key again',
    state: { gone: true },
  }));

export const foreignKeyCheck: CheckStep<unknown> = {
  kind: 'check',
  id: 'foreign-keys',
  title: 'Are the foreign keys in place?',
  why: 'DROP TABLE … CASCADE takes the foreign keys of other tables along, and nothing says so: from then on rows that point nowhere come in.',
  manual: () =>
    `psql "$NEON_DB_URL" -c "SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"`,
  run: async (context) =>
    listing(
      (await lostKeys(context)).map(nameOf),
      { none: 'They are.', some: 'Made once, and gone', state: 'warning' },
      'keys',
    ),
};

export const foreignKeyAct: ActStep<unknown> = {
  kind: 'act',
  id: 'restore-keys',
  title: 'Make the foreign keys again',
  why: 'After the tables, in one transaction. Rows that point nowhere stay: whether to restore what they point at or to delete them is for their owner.',
  manual: () =>
    `psql "$NEON_DB_URL" -c 'ALTER TABLE amazon.review_images ADD FOREIGN KEY (review_id) REFERENCES amazon.review ON DELETE CASCADE NOT VALID'`,
  when: (context) =>
    context.plan?.targets.some(({ type }) => type === 'foreign-key')
      ? true
      : 'No foreign key is missing.',
  run: async (context) => {
    const [{ restoreForeignKeys }, { withClient }] = await Promise.all([
      import('../../database/foreign-keys.js'),
      import('../../database/client.js'),
    ]);
    const { target, ...options } = await databaseOf(context, { write: true });
    const planned = new Set(context.plan?.targets.map(({ name }) => name));
    return withClient(target, { purpose: 'restore foreign keys', ...options }, (client) =>
      restoreForeignKeys(client, context.services.config, (key) => planned.has(nameOf(key))),
    );
  },
  verify: async (context) => {
    const left = (await lostKeys(context)).map(nameOf);
    return left.length === 0
      ? { done: true, summary: 'Every foreign key is there.' }
      : { done: false, summary: `Still missing: ${abridge(left)}.`, evidence: { left } };
  },
};
