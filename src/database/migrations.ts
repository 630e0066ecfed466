import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/schema.js';
import { quoteIdentifier } from './identifiers.js';

export const bookkeepingSchema = 'maintenance';

/** Migrations that belong together and are counted together. */
export interface MigrationSet {
  name: 'maintenance' | 'source' | 'serving';
  directory: string;
  /** Names of the migrations this version knows, in order. */
  names: string[];
  /** Table of the applied ones, in the schema `maintenance`. */
  bookkeeping: string;
  /** What stands for :"name" in their SQL. */
  variables: Record<string, string>;
}

/**
 * The sets that a configuration asks for. A set is counted for each schema it was made in, so that
 * another `source.schema` or `serving.table` gets its own tables.
 */
export async function migrationSets(config: Config): Promise<MigrationSet[]> {
  const { source, serving } = config;
  return Promise.all([
    makeSet('maintenance', 'migrations', {}),
    ...(source.managed
      ? [makeSet('source', tableName('source', source.schema), { schema: source.schema })]
      : []),
    makeSet('serving', tableName('serving', serving.schema, serving.table), {
      schema: serving.schema,
      table: serving.table,
    }),
  ]);
}

async function makeSet(
  name: MigrationSet['name'],
  bookkeeping: string,
  variables: Record<string, string>,
): Promise<MigrationSet> {
  const directory = fileURLToPath(new URL(`./migrations/${name}`, import.meta.url));
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  const names = files.map((file) => file.slice(0, -'.sql'.length));
  return { name, directory, names, bookkeeping, variables };
}

/** `migrations_source_amazon_1a2b3c4d`: readable, and one for each spelling of the names. */
function tableName(set: string, ...parts: string[]): string {
  const readable = parts
    .join('_')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 30);
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
  return `migrations_${set}_${readable}_${hash}`;
}

/** Replaces :"name" by the quoted identifier, as psql does. */
export const fillIn = (sql: string, variables: Record<string, string>): string =>
  sql.replaceAll(/:"([a-z_]+)"/g, (whole, name: string) => {
    const value = variables[name];
    return value === undefined ? whole : quoteIdentifier(value);
  });
