import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import type { Catalog, ColumnInfo } from './catalog.js';
import { type StagedTable, stagingName } from './staging.js';
import { columnCast, isServerJudged } from './types.js';

/** Makes the temporary table of what the server refuses. */
export const serverRejects =
  'CREATE TEMPORARY TABLE import_rejected (table_name text, file integer, line bigint, rule text, reason text) ON COMMIT DROP';

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** Deletes staged rows for which the condition holds and notes them as rejected. */
async function reject(
  client: DatabaseClient,
  staged: StagedTable,
  found: { rule: string; reason: string; when: string },
): Promise<number> {
  return client.execute(
    `WITH gone AS (DELETE FROM ${stagingName(staged.table)} AS s WHERE ${found.when} RETURNING s.import_file, s.import_line, ${found.reason} AS reason)
     INSERT INTO import_rejected SELECT ${text(staged.table.name)}, import_file, import_line, ${text(found.rule)}, reason FROM gone`,
  );
}

const column = (name: string, alias = 's'): string => `${alias}.${quoteIdentifier(name)}`;
const shown = (names: readonly string[]): string =>
  names
    .map((name) => `coalesce(left(s.${quoteIdentifier(name)}::text, 60), 'NULL')`)
    .join(` || ', ' || `);

/** Rejects what CHECKs, further unique keys and the server's own types refuse. */
export async function rejectOwnConstraints(
  client: DatabaseClient,
  catalog: Catalog,
  staged: StagedTable,
): Promise<void> {
  const { table } = staged;
  for (const info of table.columns) {
    if (staged.columns.includes(info.name)) await rejectType(client, catalog, staged, info);
  }
  for (const check of table.checks) {
    const row = checkRow(staged);
    await reject(client, staged, {
      rule: 'check',
      reason: text(`breaks the CHECK ${check.name}: ${check.expression}`),
      // A CHECK that is NULL holds.
      when: `(SELECT (${check.expression}) IS FALSE FROM (SELECT ${row}) AS ${quoteIdentifier(table.name)})`,
    });
  }
  for (const unique of table.unique) {
    if (unique.columns.every((name) => staged.columns.includes(name))) {
      await rejectUnique(client, catalog, staged, unique.columns);
    }
  }
}

/** Types that the engine does not know; needs PostgreSQL 16, older servers fail at the insert. */
async function rejectType(
  client: DatabaseClient,
  catalog: Catalog,
  staged: StagedTable,
  info: ColumnInfo,
): Promise<void> {
  if (!isServerJudged(info) || catalog.serverVersion < 160_000) return;
  await reject(client, staged, {
    rule: 'wrong_type',
    reason: `${text(`column "${info.name}" holds "`)} || left(${column(info.name)}, 60) || ${text(`", which is not ${info.type}`)}`,
    when: `NOT pg_input_is_valid(${column(info.name)}, ${text(info.type)})`,
  });
}

/** All columns of the table as a CHECK sees them; what the file does not give is its default or NULL. */
function checkRow(staged: StagedTable): string {
  return staged.table.columns
    .map((info) => {
      if (!staged.columns.includes(info.name)) {
        return `CAST(NULL AS ${info.type}) AS ${quoteIdentifier(info.name)}`;
      }
      return columnCast(info).stagingType === info.type
        ? `${column(info.name)} AS ${quoteIdentifier(info.name)}`
        : `CAST(${column(info.name)} AS ${info.type}) AS ${quoteIdentifier(info.name)}`;
    })
    .join(', ');
}

async function rejectUnique(
  client: DatabaseClient,
  catalog: Catalog,
  staged: StagedTable,
  columns: readonly string[],
): Promise<void> {
  const { table } = staged;
  const key = table.key.filter((name) => staged.columns.includes(name));
  const same = (alias: string) =>
    columns.map((name) => `${column(name, alias)} = ${cast(staged, name)}`).join(' AND ');
  const otherKey =
    key.length === 0
      ? 'true'
      : `(${key.map((name) => column(name, 't')).join(', ')}) IS DISTINCT FROM (${key.map((name) => cast(staged, name)).join(', ')})`;
  const names = columns.join(', ');
  await reject(client, staged, {
    rule: 'unique',
    reason: `${text(`${names} = `)} || ${shown(columns)} || ' belongs to another row of the database'`,
    when: `EXISTS (SELECT FROM ${quoteTable(catalog.schema, table.name)} AS t WHERE ${same('t')} AND ${otherKey})`,
  });
  await reject(client, staged, {
    rule: 'unique',
    reason: `${text(`${names} = `)} || ${shown(columns)} || ' is given by an earlier record'`,
    when: `(s.import_file, s.import_line) IN (
      SELECT import_file, import_line FROM (
        SELECT import_file, import_line, row_number() OVER (PARTITION BY ${columns.map(quoteIdentifier).join(', ')} ORDER BY import_file, import_line) AS place
        FROM ${stagingName(table)} WHERE ${columns.map((name) => `${quoteIdentifier(name)} IS NOT NULL`).join(' AND ')}) AS ranked
      WHERE place > 1)`,
  });
}

/** A staged value in the column's own type. */
function cast(staged: StagedTable, name: string): string {
  const info = staged.table.columns.find((candidate) => candidate.name === name);
  return info === undefined || columnCast(info).stagingType === info.type
    ? column(name)
    : `CAST(${column(name)} AS ${info.type})`;
}

/** Rejects rows whose parent is neither in the database nor (for a table that refers to itself) staged. */
export async function rejectForeignKeys(
  client: DatabaseClient,
  catalog: Catalog,
  staged: StagedTable,
): Promise<void> {
  for (const key of staged.table.foreignKeys) {
    if (!key.columns.every((name) => staged.columns.includes(name))) continue;
    const matches = (alias: string) =>
      key.columns
        .map(
          (name, index) =>
            `${column(key.references[index] ?? name, alias)} = ${cast(staged, name)}`,
        )
        .join(' AND ');
    const own = key.table === staged.table.name && key.schema === catalog.schema;
    const found = {
      rule: 'foreign_key',
      reason: `${text(`${key.columns.join(', ')} = `)} || ${shown(key.columns)} || ${text(` is not in ${key.table}`)}`,
      when: [
        ...key.columns.map((name) => `${column(name)} IS NOT NULL`),
        `NOT EXISTS (SELECT FROM ${quoteTable(key.schema, key.table)} AS t WHERE ${matches('t')})`,
        ...(own
          ? [`NOT EXISTS (SELECT FROM ${stagingName(staged.table)} AS o WHERE ${matches('o')})`]
          : []),
      ].join(' AND '),
    };
    // A rejected row may have been the parent of others.
    for (let gone = await reject(client, staged, found); own && gone > 0; ) {
      gone = await reject(client, staged, found);
    }
  }
}
