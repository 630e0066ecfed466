import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import type { DatabaseClient } from './client.js';
import { quoteTable } from './identifiers.js';
import { migrationLock } from './migrate.js';
import { fillIn, migrationSets } from './migrations.js';
import { readSets } from './schema-state.js';
import { relationOf, splitStatements } from './statements.js';

export interface MissingRelation {
  schema: string;
  name: string;
}

const key = ({ schema, name }: MissingRelation): string => `${schema}.${name}`;

/** The statements of all migrations that have been applied, in their order. */
export async function appliedStatements(client: DatabaseClient, config: Config): Promise<string[]> {
  const sets = await readSets(client, await migrationSets(config));
  const statements: string[] = [];
  for (const { set, pending } of sets) {
    for (const name of set.names.filter((one) => !pending.includes(one))) {
      const sql = await readFile(join(set.directory, `${name}.sql`), 'utf8');
      statements.push(...splitStatements(fillIn(sql, set.variables)));
    }
  }
  return statements;
}

/** Relations that an applied migration made, none removed, and that are not there any more. */
export async function missingRelations(
  client: DatabaseClient,
  config: Config,
): Promise<MissingRelation[]> {
  const made = new Map<string, MissingRelation>();
  for (const statement of await appliedStatements(client, config)) {
    const relation = relationOf(statement);
    if (relation?.creates) made.set(key(relation), relation);
    if (relation?.drops) made.delete(key(relation));
  }
  const relations = [...made.values()].map(({ schema, name }) => ({ schema, name }));
  const rows = await client.query<{ position: number }>(
    `SELECT (position - 1)::integer AS position FROM unnest($1::text[]) WITH ORDINALITY AS given (name, position)
     WHERE to_regclass(name) IS NULL ORDER BY position`,
    [relations.map(({ schema, name }) => quoteTable(schema, name))],
  );
  return rows.flatMap(({ position }) => relations[position] ?? []);
}

/**
 * Makes relations that were dropped behind the back of the migrations anew, empty, with their
 * indexes: the statements of the migrations that are about them, in one transaction. Foreign keys
 * of other tables that pointed at them went with them: see foreign-keys.ts.
 */
export const recreateRelations = (
  client: DatabaseClient,
  config: Config,
  wanted: readonly MissingRelation[],
): Promise<string[]> =>
  client.transaction(async () => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [migrationLock]);
    const missing = new Set((await missingRelations(client, config)).map(key));
    const making = new Set(wanted.map(key).filter((name) => missing.has(name)));
    for (const statement of await appliedStatements(client, config)) {
      const relation = relationOf(statement);
      const ours =
        relation === undefined
          ? /^CREATE\s+SCHEMA\s+IF\s+NOT\s+EXISTS/i.test(statement)
          : making.has(key(relation));
      if (ours) await client.execute(statement);
    }
    return [...making];
  });
