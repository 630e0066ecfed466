import type { Config } from '../config/schema.js';
import { errorCode } from '../system/errors.js';
import type { DatabaseClient } from './client.js';
import { quoteIdentifier, quoteTable } from './identifiers.js';
import { migrationLock } from './migrate.js';
import { appliedStatements } from './recreate.js';
import { type ForeignKeyOfStatement, foreignKeysOf } from './statements.js';

export interface ForeignKey extends ForeignKeyOfStatement {
  /** `schema.name` of the table that it is on, and of the one it points at. */
  table: string;
  references: string;
}

const textOf = ({ schema, name, columns, target }: ForeignKeyOfStatement): string =>
  JSON.stringify([schema, name, columns, target.schema, target.name]);

/**
 * Foreign keys that an applied migration made, and that are gone although their table is there: to
 * drop the table they pointed at took them along. Reads only.
 */
export async function missingForeignKeys(
  client: DatabaseClient,
  config: Config,
): Promise<ForeignKey[]> {
  const made = (await appliedStatements(client, config)).flatMap(foreignKeysOf);
  const [tables, keys] = await Promise.all([
    client.query<{ text: string }>(
      `SELECT json_build_array(n.nspname, c.relname)::text AS text
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')`,
    ),
    client.query<{ schema: string; name: string; columns: string[]; to: string; of: string }>(
      `SELECT n.nspname AS schema, c.relname AS name, other.relname AS to, theirs.nspname AS of,
              ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS part (number, position)
                    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = part.number
                    ORDER BY part.position) AS columns
       FROM pg_constraint k
       JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_class other ON other.oid = k.confrelid
       JOIN pg_namespace theirs ON theirs.oid = other.relnamespace
       WHERE k.contype = 'f'`,
    ),
  ]);
  const there = new Set(tables.map(({ text }) => JSON.stringify(JSON.parse(text))));
  const present = new Set(
    keys.map(({ to, of, ...key }) =>
      textOf({ ...key, target: { schema: of, name: to }, rest: '' }),
    ),
  );
  return made
    .filter((key) => there.has(JSON.stringify([key.schema, key.name])) && !present.has(textOf(key)))
    .map((key) => ({
      ...key,
      table: `${key.schema}.${key.name}`,
      references: `${key.target.schema}.${key.target.name}`,
    }));
}

/**
 * Makes foreign keys again, in one transaction. One that rows break holds for new rows alone (NOT
 * VALID): what it pointed at is gone, and those rows are nobody's to delete here. Gives how many of
 * each kind there are now.
 */
export const restoreForeignKeys = (
  client: DatabaseClient,
  config: Config,
  wanted: (key: ForeignKey) => boolean,
): Promise<{ valid: number; forNewRows: number }> =>
  client.transaction(async () => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [migrationLock]);
    const made = { valid: 0, forNewRows: 0 };
    for (const key of (await missingForeignKeys(client, config)).filter(wanted)) {
      await client.execute('SAVEPOINT foreign_key');
      try {
        await client.execute(adding(key));
        made.valid += 1;
      } catch (error) {
        if (!isViolation(error)) throw error;
        await client.execute('ROLLBACK TO SAVEPOINT foreign_key');
        await client.execute(`${adding(key)} NOT VALID`);
        made.forNewRows += 1;
      }
    }
    return made;
  });

const adding = ({ schema, name, columns, target, rest }: ForeignKeyOfStatement): string =>
  `ALTER TABLE ${quoteTable(schema, name)} ADD FOREIGN KEY (${columns.map(quoteIdentifier).join(', ')}) REFERENCES ${quoteTable(target.schema, target.name)}${rest === '' ? '' : ` ${rest}`}`;

const isViolation = (error: unknown): boolean =>
  errorCode(error) === '23503' ||
  (error instanceof Error && error.cause !== undefined && isViolation(error.cause));
