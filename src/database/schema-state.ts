import type { Config } from '../config/schema.js';
import { invalid, type OperatorError } from '../system/errors.js';
import type { DatabaseClient } from './client.js';
import { quoteTable } from './identifiers.js';
import { bookkeepingSchema, type MigrationSet, migrationSets } from './migrations.js';

/**
 * The schema of a database against what this version needs: `missing` (a set of tables was never
 * made), `older` (migrations are due), `current`, `newer` (made by a later version).
 */
export type SchemaState = 'missing' | 'older' | 'current' | 'newer';

export interface AppliedSet {
  set: MigrationSet;
  /** Not applied yet. */
  pending: string[];
  /** Applied, and not known to this version. */
  unknown: string[];
}

/** The state of the schema that the configuration names. Reads only. */
export async function schemaState(client: DatabaseClient, config: Config): Promise<SchemaState> {
  return judge(await readSets(client, await migrationSets(config)));
}

/** Throws `SCHEMA_MISSING`, `SCHEMA_OLDER` or `SCHEMA_NEWER` (2) unless the schema is current. */
export async function requireSchema(client: DatabaseClient, config: Config): Promise<void> {
  const sets = await readSets(client, await migrationSets(config));
  const state = judge(sets);
  if (state === 'current') return;
  if (state === 'newer') throw schemaNewer(sets.flatMap(({ unknown }) => unknown));
  throw state === 'missing'
    ? invalid('SCHEMA_MISSING', 'The database does not hold the tables of reviewops yet.', {
        hint: 'Run `reviewops db init`.',
      })
    : invalid('SCHEMA_OLDER', 'The database’s schema is older than this version needs.', {
        hint: 'Run `reviewops db init`; it keeps the data.',
      });
}

export const schemaNewer = (unknown: string[], where = 'the database'): OperatorError =>
  invalid(
    'SCHEMA_NEWER',
    `The schema of ${where} was made by a newer version of reviewops (${unknown.join(', ')}). Nothing was changed.`,
    { hint: 'Update reviewops to that version: npm install -g reviewops@latest' },
  );

/** The worst of the sets: one migration that this version does not know makes all of it newer. */
export function judge(sets: AppliedSet[]): SchemaState {
  if (sets.some(({ unknown }) => unknown.length > 0)) return 'newer';
  if (sets.some(({ set, pending }) => pending.length === set.names.length)) return 'missing';
  return sets.some(({ pending }) => pending.length > 0) ? 'older' : 'current';
}

/** What of each set has been applied. */
export async function readSets(
  client: DatabaseClient,
  sets: MigrationSet[],
): Promise<AppliedSet[]> {
  const tables = sets.map(({ bookkeeping }) => quoteTable(bookkeepingSchema, bookkeeping));
  const there = await client.query<{ name: string; there: boolean }>(
    'SELECT name, to_regclass(name) IS NOT NULL AS there FROM unnest($1::text[]) AS name',
    [tables],
  );
  const present = tables.filter((table) => there.some((row) => row.there && row.name === table));
  const rows =
    present.length === 0
      ? []
      : await client.query<{ position: number; name: string }>(
          present
            .map((table) => `SELECT ${tables.indexOf(table)} AS position, name FROM ${table}`)
            .join(' UNION ALL '),
        );
  return sets.map((set, position) => {
    const applied = rows.filter((row) => row.position === position).map(({ name }) => name);
    return {
      set,
      pending: set.names.filter((name) => !applied.includes(name)),
      unknown: applied.filter((name) => !set.names.includes(name)),
    };
  });
}
