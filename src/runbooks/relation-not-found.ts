import { z } from 'zod';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import type { PlanTarget } from './engine/plan.js';
import { databaseOf, jobOf, reading } from './support/context.js';
import { abridge, listing } from './support/evidence.js';
import {
  foreignKeyAct,
  foreignKeyCheck,
  foreignKeyTargets,
  lostKeys,
  nameOf,
} from './support/foreign-keys.js';

const inputs = z.strictObject({});
type Context = StepContext<z.output<typeof inputs>>;

const init = () => 'reviewops db init';

/** Relations that migrations made and somebody dropped. */
const dropped = (context: Context): Promise<{ schema: string; name: string }[]> =>
  reading(context, 'missing relations', async (client) => {
    const { missingRelations } = await import('../database/recreate.js');
    return missingRelations(client, context.services.config);
  });

const stateOfSchema = (context: Context) =>
  reading(context, 'schema state', async (client) => {
    const { schemaState } = await import('../database/migrate.js');
    return schemaState(client, context.services.config);
  });

const isPlanned = (context: Context, type: string): boolean =>
  context.plan?.targets.some((target) => target.type === type) === true;

export default defineRunbook({
  module: import.meta.url,
  id: 'relation-not-found',
  title: 'A relation does not exist',
  summary:
    'Tells tables that were never made from dropped ones and from a wrong search_path; brings the schema up to date and makes dropped tables again, empty, with their indexes and the foreign keys that pointed at them.',
  symptoms: [
    'relation does not exist',
    'relation amazon.review does not exist',
    'relation "fact_reviews" does not exist',
    'table not found',
    'table does not exist',
    'TABLE_NOT_FOUND',
    'SCHEMA_NOT_FOUND',
    'SCHEMA_MISSING',
    'SCHEMA_OLDER',
    'schema "amazon" does not exist',
    'wrong search_path',
    'tables not initialised',
    'somebody dropped a table',
    '42P01',
  ],
  tags: ['database', 'schema', 'migrations'],
  roles: ['admin'],
  risk: 'change',
  inputs,
  targets: () => ['database=schema'],
  steps: [
    {
      kind: 'check',
      id: 'schema',
      title: 'Has the schema been made, by this version?',
      why: 'The migrations that were applied are written down in the database. A new database has none; one that a later version made must not be touched by this one.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT nspname FROM pg_namespace WHERE nspname IN ('amazon', 'maintenance')"`,
      must: true,
      run: async (context): Promise<Finding> => {
        const state = await stateOfSchema(context);
        const { schema } = context.services.config.source;
        const evidence = { state, schema };
        switch (state) {
          case 'current':
            return { state: 'ok', summary: 'All migrations have been applied.', evidence };
          case 'newer':
            return {
              state: 'critical',
              summary:
                'A newer version of reviewops made this schema. Update reviewops (npm install -g reviewops@latest); nothing here may change it.',
              evidence,
            };
          default:
            return {
              state: 'warning',
              summary: `Migrations are due: the schema is ${state}.`,
              evidence,
            };
        }
      },
    },
    {
      kind: 'check',
      id: 'relations',
      title: 'Which tables are not there?',
      why: 'A table that was made once and is gone was dropped by somebody. `db init` does not bring it back, because the migration that made it counts as applied.',
      manual: () => `psql "$NEON_DB_URL" -c '\\dt amazon.*' -c '\\dm amazon.*'`,
      run: async (context) =>
        listing(
          (await dropped(context)).map(({ schema, name }) => `${schema}.${name}`),
          { none: 'Every table that was made is there.', some: 'Made once, and gone' },
          'relations',
        ),
    },
    foreignKeyCheck,
    {
      kind: 'check',
      id: 'configured',
      title: 'Do the tables that the configuration names exist?',
      why: 'In a schema of your own (source.managed: false) tables are not made here: then either the name in the configuration is wrong, or the table has to come from its owner.',
      manual: () => 'reviewops config show',
      run: (context) =>
        reading(context, 'configured tables', async (client) => {
          const { listRelations } = await import('../database/catalog.js');
          const { schema, tables, entities, managed } = context.services.config.source;
          const present = new Set((await listRelations(client, schema)).map(({ name }) => name));
          const wanted = new Set([
            ...(tables === 'all' ? [] : tables),
            entities.review.table,
            entities.reviewProduct.table,
          ]);
          const missing = [...wanted].filter((name) => !present.has(name));
          const finding = listing(
            missing.map((name) => `${schema}.${name}`),
            {
              none: 'They do.',
              some: 'Named and not there',
              state: managed ? 'warning' : 'critical',
            },
            'tables',
          );
          return managed || missing.length === 0
            ? finding
            : {
                ...finding,
                summary: `${finding.summary} Correct source.schema, source.tables or source.entities, or have the tables restored by their owner.`,
              };
        }),
    },
    {
      kind: 'check',
      id: 'search-path',
      title: 'Is the schema on the search_path?',
      why: 'reviewops always says schema.table. A person in psql who writes "review" alone finds it only when the schema is on the search_path of the role; otherwise PostgreSQL says that the relation does not exist, although it does.',
      manual: () =>
        `psql "$NEON_DB_URL" -c 'SHOW search_path'   # cure: ALTER ROLE CURRENT_USER SET search_path = amazon, public`,
      run: (context) =>
        reading(context, 'search path', async (client): Promise<Finding> => {
          const { schema } = context.services.config.source;
          const [row] = await client.query<{ path: string; role: string; on: boolean }>(
            `SELECT current_setting('search_path') AS path, current_user AS role,
                    $1 = ANY (current_schemas(false)::text[]) AS on`,
            [schema],
          );
          const evidence = { searchPath: row?.path ?? '', role: row?.role ?? '' };
          return row?.on === true
            ? { state: 'ok', summary: `It is: ${row.path}.`, evidence }
            : {
                state: 'ok',
                summary: `It is not (${row?.path}): in psql write ${schema}.TABLE, or set it for the role. reviewops does not need it.`,
                evidence,
              };
        }),
    },
    {
      kind: 'plan',
      id: 'plan',
      title: 'Name what will be made',
      why: 'Only what is missing is made. No table that exists is changed, except by migrations that are due.',
      manual: init,
      run: async (context) => {
        const state = await stateOfSchema(context);
        const targets: PlanTarget[] = [];
        if (state === 'missing' || state === 'older') {
          targets.push({
            type: 'schema',
            name: context.services.config.source.schema,
            action: 'apply the migrations that are due',
            state: { state },
          });
        }
        for (const { schema, name } of await dropped(context)) {
          const action = 'make it again, empty, with its indexes';
          targets.push({
            type: 'relation',
            name: `${schema}.${name}`,
            action,
            state: { gone: true },
          });
        }
        const relations = targets.filter(({ type }) => type === 'relation');
        targets.push(...(await foreignKeyTargets(context)));
        return {
          summary:
            targets.length === 0
              ? 'There is nothing to do.'
              : targets.map(({ name, action }) => `${name}: ${action}`).join('; '),
          targets,
          totals: { relations: relations.length },
          notes:
            relations.length === 0
              ? []
              : [
                  'The rows of a dropped table are gone with it: restore a backup instead if you have one and need them.',
                  'A foreign key that rows of today break, because what they point at is gone, holds for new rows alone until it is validated.',
                ],
        };
      },
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve making the tables',
      why: 'An empty table where a full one was may hide the loss from whoever looks next. Restore a backup first if there is one.',
      manual: init,
      name: ({ plan }) => plan?.targets[0]?.name ?? 'nothing',
      question: ({ plan }) => plan?.summary ?? 'Make them?',
    },
    {
      kind: 'act',
      id: 'migrate',
      title: 'Bring the schema up to date',
      why: 'All migrations that are due, in one transaction: all of them or none.',
      manual: init,
      when: (context) => (isPlanned(context, 'schema') ? true : 'No migration is due.'),
      run: async (context) => {
        const { migrate } = await import('../database/migrate.js');
        const { target } = await databaseOf(context, { write: true });
        const { applied } = await migrate(target, context.services.config, jobOf(context));
        return { applied };
      },
      verify: async (context) => {
        const state = await stateOfSchema(context);
        return { done: state === 'current', summary: `The schema is ${state}.` };
      },
    },
    {
      kind: 'act',
      id: 'recreate',
      title: 'Make the dropped tables again',
      why: 'With the statements that made them the first time, in one transaction.',
      manual: () => `psql "$NEON_DB_URL" -f MIGRATION.sql   # the CREATE statements of the table`,
      when: (context) => (isPlanned(context, 'relation') ? true : 'No table was dropped.'),
      run: async (context) => {
        const [{ recreateRelations }, { withClient }] = await Promise.all([
          import('../database/recreate.js'),
          import('../database/client.js'),
        ]);
        const { target, ...options } = await databaseOf(context, { write: true });
        const planned = new Set(context.plan?.targets.map(({ name }) => name));
        const wanted = (await dropped(context)).filter(({ schema, name }) =>
          planned.has(`${schema}.${name}`),
        );
        const made = await withClient(
          target,
          { purpose: 'recreate tables', ...options },
          (client) => recreateRelations(client, context.services.config, wanted),
        );
        return { made };
      },
      verify: async (context) => {
        const left = (await dropped(context)).map(({ schema, name }) => `${schema}.${name}`);
        return left.length === 0
          ? { done: true, summary: 'Every table that was made is there.' }
          : { done: false, summary: `Still missing: ${abridge(left)}.`, evidence: { left } };
      },
    },
    foreignKeyAct,
    {
      kind: 'check',
      id: 'prove',
      title: 'Is the schema whole?',
      why: 'What counts is what the catalogue of the database says now.',
      manual: () => 'reviewops db ping',
      must: true,
      run: async (context) => {
        const state = await stateOfSchema(context);
        const gone = (await dropped(context)).map(({ schema, name }) => `${schema}.${name}`);
        const keys = (await lostKeys(context)).map(nameOf);
        return listing(
          [...(state === 'current' ? [] : [`the schema is ${state}`]), ...gone, ...keys],
          { none: 'It is, and of this version.', some: 'Not whole' },
          'problems',
        );
      },
    },
    {
      kind: 'check',
      id: 'rows',
      title: 'Do the tables hold rows?',
      why: 'A new table is empty: reviews come from an import or a backup, served rows from a load.',
      manual: () => 'reviewops db import PATH   # or: reviewops db import --sample 1000',
      run: (context) =>
        reading(context, 'rows', async (client): Promise<Finding> => {
          const { quoteTable } = await import('../database/identifiers.js');
          const { source, serving } = context.services.config;
          const filled = async (schema: string, table: string): Promise<boolean> => {
            const [row] = await client.query<{ any: boolean }>(
              `SELECT EXISTS (SELECT FROM ${quoteTable(schema, table)}) AS any`,
            );
            return row?.any === true;
          };
          const evidence = {
            source: await filled(source.schema, source.entities.review.table),
            served: await filled(serving.schema, serving.table),
          };
          if (!evidence.source) {
            return {
              state: 'warning',
              summary: `${source.schema}.${source.entities.review.table} is empty: restore a backup, or import the reviews with \`reviewops db import PATH\`.`,
              evidence,
            };
          }
          return evidence.served
            ? { state: 'ok', summary: 'They do.', evidence }
            : { state: 'warning', summary: 'Nothing is served yet.', evidence };
        }),
    },
    {
      kind: 'branch',
      id: 'serve',
      title: 'Can the served rows be loaded again?',
      why: 'The rows of the serving table are in the lake: a load brings them back.',
      manual: () => 'reviewops pipeline load --batch-id BATCH_ID',
      choose: async (context) => {
        const evidence = context.results.rows?.finding?.evidence;
        if (evidence?.served !== false || evidence.source !== true) return undefined;
        const { look } = await import('./support/evidence.js');
        const { batches } = await look(context, undefined);
        return batches.some(({ layers }) => layers.includes('gold'))
          ? {
              to: 'runbook',
              runbook: 'inconsistent-rows',
              input: {},
              why: 'The serving table is empty, and the lake has gold to load.',
            }
          : undefined;
      },
    },
  ],
});
