import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import type { ModelColumn, ModelTable, Owning, PrivacyModel } from './model.js';
import type { Needles } from './needles.js';

export interface TableFinding {
  table: ModelTable;
  rows: number;
  /** Of the rows' contents; changes with any of them. */
  fingerprint: string;
  /** How many rows each link leads to; a row may be found by several. */
  by: { via: string; rows: number }[];
}

/** A condition on the rows of a table, with the values that it is bound to. */
export interface Condition {
  sql: string;
  values: string[][];
}

/** The rows of a table that the needles lead to; undefined when none of them can. */
export function conditionFor(
  table: ModelTable,
  needles: Needles,
  owning: readonly Owning[] = table.owning,
): Condition | undefined {
  const values: string[][] = [];
  const parts = owning.flatMap(({ column, domain }) => {
    const wanted = needles.of(domain);
    const found = table.columns.find(({ name }) => name === column);
    if (wanted.length === 0 || found === undefined) return [];
    values.push([...wanted]);
    return [`${compared(found, domain)} = ANY ($${values.length}::text[])`];
  });
  return parts.length === 0 ? undefined : { sql: `(${parts.join(' OR ')})`, values };
}

/** A column in the form in which its domain is compared (`normalForm`). */
export function compared({ name, isText }: ModelColumn, domain: string): string {
  const column = isText ? quoteIdentifier(name) : `${quoteIdentifier(name)}::text`;
  if (domain === 'email') return `lower(normalize(btrim(${column}), NFC))`;
  return domain === 'phone'
    ? `regexp_replace(regexp_replace(${column}, '\\D', '', 'g'), '^00', '')`
    : column;
}

/**
 * Follows the links from what the needles hold to a closed set of rows, and adds to the needles
 * what it finds on its way.
 */
export async function findInDatabase(
  client: DatabaseClient,
  { tables }: PrivacyModel,
  needles: Needles,
): Promise<TableFinding[]> {
  const people = tables.filter(({ owning, kind }) => owning.length > 0 && kind !== 'materialized');
  const searched = new Map<string, number>();
  const sizeOf = ({ owning }: ModelTable) =>
    owning.reduce((sum, { domain }) => sum + needles.size(domain), 0);
  for (;;) {
    const next = people.find(
      (table) => table.provides.length > 0 && sizeOf(table) > (searched.get(table.id) ?? 0),
    );
    if (next === undefined) break;
    searched.set(next.id, sizeOf(next));
    await collect(client, next, needles);
  }
  const findings: TableFinding[] = [];
  for (const table of people) {
    const finding = await count(client, table, needles);
    if (finding.rows > 0) findings.push(finding);
  }
  return findings;
}

/** Adds what rows of other tables may point at. */
async function collect(client: DatabaseClient, table: ModelTable, needles: Needles): Promise<void> {
  const condition = conditionFor(table, needles);
  if (condition === undefined) return;
  for (const { column, domain } of table.provides) {
    const rows = await client.query<{ value: string }>(
      `SELECT DISTINCT ${quoteIdentifier(column)}::text AS value FROM ${quoteTable(table.schema, table.name)}
       WHERE ${condition.sql} AND ${quoteIdentifier(column)} IS NOT NULL`,
      condition.values,
    );
    needles.add(
      domain,
      rows.map(({ value }) => value),
    );
  }
}

async function count(
  client: DatabaseClient,
  table: ModelTable,
  needles: Needles,
): Promise<TableFinding> {
  const condition = conditionFor(table, needles);
  if (condition === undefined) return { table, rows: 0, fingerprint: '', by: [] };
  const name = quoteTable(table.schema, table.name);
  const [row] = await client.query<{ rows: string; fingerprint: string | null }>(
    `SELECT count(*) AS rows, md5(string_agg(md5(found::text), '' ORDER BY md5(found::text))) AS fingerprint
     FROM ${name} AS found WHERE ${condition.sql}`,
    condition.values,
  );
  const rows = Number(row?.rows ?? 0);
  const by: TableFinding['by'] = [];
  if (rows > 0) {
    for (const owning of table.owning) {
      const own = conditionFor(table, needles, [owning]);
      if (own === undefined) continue;
      const [found] = await client.query<{ rows: string }>(
        `SELECT count(*) AS rows FROM ${name} WHERE ${own.sql}`,
        own.values,
      );
      by.push({ via: owning.via, rows: Number(found?.rows ?? 0) });
    }
  }
  return { table, rows, fingerprint: row?.fingerprint ?? '', by };
}
