import type { QueryConfig, QueryResult } from 'pg';
import type { Config } from '../config/schema.js';
import { invalid } from '../system/errors.js';
import type { JobContext } from '../system/progress.js';
import { type DatabaseClient, withClient } from './client.js';
import { bookkeepingSchema, fillIn, type MigrationSet, migrationSets } from './migrations.js';
import { judge, readSets, schemaNewer } from './schema-state.js';
import type { DatabaseTarget } from './target.js';

export { requireSchema, type SchemaState, schemaState } from './schema-state.js';

export interface Migrated {
  /** Names of the migrations this call applied, such as `serving/20261120100000000_fact_reviews`. */
  applied: string[];
  /** How many had been applied before. */
  alreadyApplied: number;
}

/** Any number of migrations at once, in one database: they take turns. */
export const migrationLock = 7_240_811_563;

/**
 * Brings the schema up to date: all of it or, when anything fails, nothing. Waits for another
 * migration of the same database. Throws `SCHEMA_NEWER` and `SCHEMA_CONFLICT` (2).
 */
export async function migrate(
  target: DatabaseTarget,
  config: Config,
  job: JobContext,
): Promise<Migrated> {
  const options = { purpose: 'migrate', settings: config.database, signal: job.signal };
  return withClient(target, options, (client) =>
    client.transaction(async () => {
      // Ends with the transaction, so it works through a pooler too.
      await client.query('SELECT pg_advisory_xact_lock($1)', [migrationLock]);
      const sets = await migrationSets(config);
      const before = await readSets(client, sets);
      const unknown = before.flatMap(({ unknown }) => unknown);
      if (judge(before) === 'newer') throw schemaNewer(unknown, target.description);
      const applied: string[] = [];
      for (const { set, pending } of before) {
        if (pending.length > 0) applied.push(...(await apply(client, set, job)));
      }
      const known = sets.reduce((count, { names }) => count + names.length, 0);
      return { applied, alreadyApplied: known - applied.length };
    }),
  );
}

async function apply(
  client: DatabaseClient,
  set: MigrationSet,
  { report }: JobContext,
): Promise<string[]> {
  const { runner } = await import('node-pg-migrate');
  const warn = (message: string) => report({ type: 'warning', message });
  const quiet = () => undefined;
  const done = await client.use(async (connection) => {
    try {
      return await runner({
        dbClient: nested(connection, set) as never,
        dir: set.directory,
        direction: 'up',
        migrationsTable: set.bookkeeping,
        migrationsSchema: bookkeepingSchema,
        createMigrationsSchema: true,
        // The order of the whole is held by our own lock and transaction.
        noLock: true,
        singleTransaction: true,
        // Its errors come to us as errors; its log of SQL is for its authors.
        logger: { info: quiet, warn, error: quiet, debug: quiet },
      });
    } catch (error) {
      throw conflict(error, set) ?? error;
    }
  });
  return done.map(({ name }) => `${set.name}/${name}`);
}

interface Queryable {
  query(query: string | QueryConfig, values?: unknown[]): Promise<QueryResult>;
}

/**
 * The connection as the library sees it: names are filled in, and its transaction becomes a
 * savepoint of ours, so that all sets are applied together or not at all.
 */
function nested(connection: Queryable, set: MigrationSet): Queryable {
  const savepoints: Record<string, string> = {
    BEGIN: 'SAVEPOINT migration_set',
    COMMIT: 'RELEASE SAVEPOINT migration_set',
    ROLLBACK: 'ROLLBACK TO SAVEPOINT migration_set',
  };
  return {
    query: (query, values) =>
      typeof query === 'string'
        ? connection.query(savepoints[query] ?? fillIn(query, set.variables), values)
        : connection.query(query, values),
  };
}

/** Something of that name exists already and is not ours. */
function conflict(error: unknown, set: MigrationSet): unknown {
  // 42P07: a table, view or index exists; 42710: another object does.
  const codes = ['42P07', '42710'];
  if (!(error instanceof Error && 'code' in error && codes.includes(String(error.code)))) {
    return undefined;
  }
  return invalid(
    'SCHEMA_CONFLICT',
    `The database holds something that reviewops did not make: ${error.message}. Nothing was changed.`,
    {
      hint:
        set.name === 'source'
          ? 'Set source.managed to false to work on tables of your own, or choose another source.schema.'
          : 'Choose another serving.schema, or remove what is in the way.',
      cause: error,
    },
  );
}
