import type { Config } from '../../config/schema.js';
import type { CatalogTable, RelationName } from '../../database/catalog.js';
import { invalid, type OperatorError } from '../../system/errors.js';
import { nearest } from '../../system/nearest.js';

/** Names that a file system or the lake's layout would take for something else. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const unusableName = /^\.|[/\\\x00-\x1f]|^manifest\.json$/;

/**
 * Which relations of the schema are extracted: those that the configuration names, or with "all"
 * every table but the serving table, partitions (their parent shows them) and what extensions
 * brought along. `only` narrows that down.
 *
 * @throws SCHEMA_NOT_FOUND, TABLE_NOT_FOUND, TABLE_NOT_SELECTED, TABLE_NAME_UNSUPPORTED,
 * ENTITY_TABLE_NOT_SELECTED
 */
export function selectTables(
  config: Config,
  relations: readonly RelationName[],
  only?: readonly string[],
): string[] {
  const { schema, tables } = config.source;
  if (relations.length === 0) {
    throw invalid('SCHEMA_NOT_FOUND', `Schema "${schema}" has no tables, or does not exist.`, {
      hint: 'Run `reviewops db init`, or correct source.schema in the configuration.',
    });
  }
  const selected =
    tables === 'all'
      ? relations.filter((relation) => isBusiness(config, relation)).map(({ name }) => name)
      : [...new Set(tables)];
  const existing = relations.map(({ name }) => name);
  const missing = selected.filter((name) => !existing.includes(name));
  if (missing.length > 0) throw tableNotFound(schema, missing, relations);
  checkEntityTables(config, selected);
  const wanted = only === undefined ? selected : narrow(selected, only);
  const unusable = wanted.find((name) => unusableName.test(name));
  if (unusable !== undefined) {
    throw invalid(
      'TABLE_NAME_UNSUPPORTED',
      `The name of table ${JSON.stringify(unusable)} cannot be the name of a file.`,
      { hint: 'Leave it out of source.tables, or extract a view of it with a plain name.' },
    );
  }
  return wanted;
}

const isBusiness = ({ source, serving }: Config, relation: RelationName): boolean =>
  (relation.kind === 'table' || relation.kind === 'partitioned') &&
  !relation.isPartition &&
  !relation.ofExtension &&
  !(source.schema === serving.schema && relation.name === serving.table);

function narrow(selected: readonly string[], only: readonly string[]): string[] {
  const unknown = only.find((name) => !selected.includes(name));
  if (unknown !== undefined) {
    throw invalid('TABLE_NOT_SELECTED', `Table "${unknown}" is not among those to extract.`, {
      hint: `${suggestion(unknown, selected)}Choose from ${selected.join(', ')}, or add it to source.tables.`,
    });
  }
  return selected.filter((name) => only.includes(name));
}

const suggestion = (name: string, candidates: readonly string[]): string => {
  const near = nearest(name, candidates);
  return near === undefined ? '' : `Did you mean "${near}"? `;
};

function tableNotFound(
  schema: string,
  missing: readonly string[],
  relations: readonly RelationName[],
): OperatorError {
  const existing = relations.filter(({ isPartition }) => !isPartition).map(({ name }) => name);
  const named = missing.map((name) => `"${name}"`).join(', ');
  return invalid(
    'TABLE_NOT_FOUND',
    `Schema "${schema}" has no ${missing.length === 1 ? 'table' : 'tables'} ${named}, which source.tables names.`,
    {
      hint: `${suggestion(missing[0] ?? '', existing)}It has ${existing.join(', ')}. Correct source.tables, or restore the table.`,
    },
  );
}

/** What the later stages read has to be among the tables of the batch. */
function checkEntityTables({ source }: Config, selected: readonly string[]): void {
  for (const [entity, { table }] of Object.entries(source.entities)) {
    if (selected.includes(table)) continue;
    throw invalid(
      'ENTITY_TABLE_NOT_SELECTED',
      `source.entities.${entity}.table is "${table}", which is not among the tables to extract.`,
      {
        hint: `${suggestion(table, selected)}Add "${table}" to source.tables, or correct source.entities.${entity}.table.`,
      },
    );
  }
}

/**
 * The tables without the columns that the configuration keeps in the source.
 *
 * @throws COLUMN_NOT_FOUND: a misspelt name must not let a password out
 */
export function omitColumns({ source }: Config, tables: readonly CatalogTable[]): CatalogTable[] {
  return tables.map((table) => {
    const omitted = source.omitColumns[table.name] ?? [];
    const present = table.columns.map(({ name }) => name);
    const unknown = omitted.find((name) => !present.includes(name));
    if (unknown !== undefined) {
      throw columnNotFound(source.schema, table, unknown, `source.omitColumns.${table.name}`);
    }
    const kept = (name: string) => !omitted.includes(name);
    return {
      ...table,
      columns: table.columns.filter(({ name }) => kept(name)),
      // What is left of a key is none.
      primaryKey: table.primaryKey.every(kept) ? table.primaryKey : [],
    };
  });
}

function columnNotFound(
  schema: string,
  table: CatalogTable,
  column: string,
  setting: string,
): OperatorError {
  const present = table.columns.map(({ name }) => name);
  return invalid(
    'COLUMN_NOT_FOUND',
    `Table "${schema}.${table.name}" has no column "${column}", which ${setting} names.`,
    {
      hint: `${suggestion(column, present)}It has ${present.join(', ')}. Correct ${setting}, or restore the column.`,
    },
  );
}

/**
 * Checks that the tables have the columns that the entities name.
 *
 * @throws COLUMN_NOT_FOUND, COLUMN_NAMES_COLLIDE, TABLE_WITHOUT_COLUMNS
 */
export function checkColumns({ source }: Config, tables: readonly CatalogTable[]): void {
  for (const table of tables) checkNames(table);
  for (const [entity, mapping] of Object.entries(source.entities)) {
    const table = tables.find(({ name }) => name === mapping.table);
    if (table === undefined) continue;
    const present = table.columns.map(({ name }) => name);
    for (const [key, column] of Object.entries(mapping)) {
      if (key === 'table' || column === null || present.includes(column)) continue;
      throw columnNotFound(source.schema, table, column, `source.entities.${entity}.${key}`);
    }
  }
}

function checkNames(table: CatalogTable): void {
  if (table.columns.length === 0) {
    throw invalid('TABLE_WITHOUT_COLUMNS', `Table "${table.name}" has no columns.`, {
      hint: 'Leave it out of source.tables.',
    });
  }
  const seen = new Map<string, string>();
  for (const { name } of table.columns) {
    const other = seen.get(name.toLowerCase());
    if (other !== undefined) {
      throw invalid(
        'COLUMN_NAMES_COLLIDE',
        `Columns "${other}" and "${name}" of table "${table.name}" differ only in upper and lower case, which the query engine cannot tell apart.`,
        { hint: 'Extract a view that renames one of them.' },
      );
    }
    seen.set(name.toLowerCase(), name);
  }
}
