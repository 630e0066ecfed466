import type { DatabaseClient } from '../database/client.js';
import { quoteTable } from '../database/identifiers.js';
import { describeParquet, parquetSource } from '../engine/parquet.js';
import { openEngine } from '../engine/session.js';
import { conditionFor } from './database-finder.js';
import {
  type Discovery,
  type DiscoveryWork,
  discover,
  inDatabase,
  type Subject,
} from './erasure-plan.js';
import { disposeAll, fetchUnits } from './lake-units.js';
import { needleLists } from './needle-lists.js';
import { rowCondition, shapeOf } from './shapes.js';

/** The person's data in one place, as the answer to a request for access. */
export interface ExportedTable {
  /** `amazon.review`, or the key of a file of the lake. */
  place: string;
  columns: string[];
  rows: Record<string, unknown>[];
}

/**
 * Everything found of a person, by the same search that an erasure starts from: rows of the
 * database, and rows of the present files of the lake.
 *
 * @throws what `discover` throws
 */
export async function exportPerson(
  work: DiscoveryWork,
  subject: Subject,
): Promise<{ tables: ExportedTable[]; notSearched: string[] }> {
  const found = await discover(work, [subject]);
  const tables = await inDatabase(work, 'gdpr export', async (client) => {
    const exported: ExportedTable[] = [];
    for (const { table } of found.tables) {
      exported.push(await exportTable(client, found, table));
    }
    return exported;
  });
  const { notes, unreadable } = found.lake;
  return {
    tables: [...tables, ...(await exportFiles(work, found))],
    notSearched: [
      ...found.unclassified,
      ...unreadable.map(({ name, why }) => `${name}: ${why}`),
      ...notes,
      ...found.mentions.texts.map(({ place }) => `${place}: records of others name the person`),
    ],
  };
}

async function exportTable(
  client: DatabaseClient,
  { needles }: Discovery,
  table: Discovery['tables'][number]['table'],
): Promise<ExportedTable> {
  const columns = table.columns.map(({ name }) => name);
  const condition = conditionFor(table, needles);
  const rows =
    condition === undefined
      ? []
      : await client.query(
          `SELECT * FROM ${quoteTable(table.schema, table.name)} WHERE ${condition.sql}`,
          condition.values,
        );
  return { place: table.id, columns, rows };
}

async function exportFiles(work: DiscoveryWork, found: Discovery): Promise<ExportedTable[]> {
  const { memoryLimit, threads } = work.config.pipeline;
  const { scratch } = work;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.job.signal });
  const exported: ExportedTable[] = [];
  try {
    for (const { unit } of found.lake.hits) {
      const shape = shapeOf(unit.key, found.model, work.config, true);
      if (!unit.present || shape === undefined) continue;
      const copies = await fetchUnits(work.lake, [unit], scratch);
      const path = copies[0]?.path ?? '';
      const columns = (await describeParquet(engine, path)).columns.map(({ name }) => name);
      const lists = await needleLists(engine, found.needles, shape);
      const condition = rowCondition(shape, columns, (domain) => lists.get(domain));
      const rows =
        condition === undefined
          ? []
          : await engine.rows<Record<string, unknown>>(
              `SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ${parquetSource([path])} WHERE ${condition}`,
            );
      await disposeAll(copies);
      exported.push({ place: unit.key, columns, rows });
    }
  } finally {
    await engine.close();
  }
  return exported;
}

/** Rows as CSV (RFC 4180); what a spreadsheet would run as a formula starts with an apostrophe. */
export function toCsv({ columns, rows }: ExportedTable): string {
  const field = (value: unknown): string => {
    const text =
      value === null || value === undefined
        ? ''
        : value instanceof Date
          ? value.toISOString()
          : typeof value === 'object'
            ? JSON.stringify(value)
            : String(value);
    const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))];
  return lines.map((line) => `${line.map(field).join(',')}\r\n`).join('');
}
