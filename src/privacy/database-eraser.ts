import type { Config } from '../config/schema.js';
import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { failed, refused } from '../system/errors.js';
import { conditionFor, findInDatabase } from './database-finder.js';
import type { ModelTable, PrivacyModel } from './model.js';
import type { Needles } from './needles.js';

/** Loads of the serving table hold this lock; an erasure comes before one or after it. */
export const loadLock = 7_305_114_021;

export interface PlannedTable {
  /** `schema.name`. */
  table: string;
  rows: number;
  fingerprint: string;
}

/** Tables with rows that point at others before those they point at. */
function childrenFirst(tables: readonly ModelTable[]): ModelTable[] {
  const ordered: ModelTable[] = [];
  const visit = (table: ModelTable, open: readonly string[]): void => {
    if (ordered.includes(table) || open.includes(table.id)) return;
    const children = tables.filter(({ parents }) =>
      parents.some((parent) => parent.table === table.id),
    );
    for (const child of children) visit(child, [...open, table.id]);
    ordered.push(table);
  };
  for (const table of tables) visit(table, []);
  return ordered;
}

/**
 * Why the rows of a person cannot be treated as the configuration says; empty when they can. A row
 * that stays cannot point at one that goes.
 */
export function treatmentProblems(
  found: readonly ModelTable[],
  nullable: (table: ModelTable, column: string) => boolean,
): string[] {
  const goes = (id: string) => found.some((table) => table.id === id && table.rows === 'delete');
  return found.flatMap((table) => {
    if (table.rows === 'delete' || table.rows === undefined) return [];
    const changed = table.rows === 'redact' ? changedColumns(table) : [];
    const dangling = table.parents
      .filter((parent) => goes(parent.table) && !changed.includes(parent.column))
      .map(
        ({ table: parent, column }) =>
          `${table.id} is to ${table.rows} its rows, whose ${column} points at rows of ${parent} that go`,
      );
    const stuck = changedColumns(table)
      .filter((column) => table.rows !== 'keep' && !nullable(table, column))
      .filter((column) => table.rows !== 'pseudonymise' || !isPseudonymised(table, column))
      .map((column) => `${table.id}.${column} is to be emptied and may not be null`);
    return [...dangling, ...stuck];
  });
}

/** Columns that identify or describe the person. */
const changedColumns = ({ columns }: ModelTable): string[] =>
  columns
    .filter((column) => column.class !== undefined && column.class !== 'none')
    .map(({ name }) => name);

const isPseudonymised = ({ columns }: ModelTable, column: string): boolean =>
  columns.some((one) => one.name === column && one.domain === 'customer');

/**
 * Erases the planned rows in one transaction: rows that stay are emptied first, then children go
 * before parents, views are refreshed. Refuses, and changes nothing, when the rows that are there
 * are not those of the plan.
 *
 * @throws PLAN_CHANGED (exit 3), ERASE_COUNT_MISMATCH (exit 1)
 */
export async function eraseInDatabase(
  client: DatabaseClient,
  model: PrivacyModel,
  needles: Needles,
  work: {
    planned: readonly PlannedTable[];
    config: Config;
    pseudonym: (customerId: string) => string;
    /** Runs last, before the commit. */
    record: (tables: { table: string; rows: number; action: string }[]) => Promise<void>;
    fingerprint: (text: string) => string;
  },
): Promise<{ table: string; rows: number; action: string }[]> {
  return client.transaction(async () => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [loadLock]);
    const all = needles.copy();
    const found = await findInDatabase(client, model, all);
    const names = new Set([
      ...found.map(({ table }) => table.id),
      ...work.planned.map(({ table }) => table),
    ]);
    for (const name of names) {
      const now = found.find(({ table }) => table.id === name);
      const then = work.planned.find(({ table }) => table === name);
      if (
        now !== undefined &&
        then !== undefined &&
        now.rows === then.rows &&
        work.fingerprint(now.fingerprint) === then.fingerprint
      )
        continue;
      throw refused(
        'PLAN_CHANGED',
        `The plan names ${then?.rows ?? 0} rows of ${name}; by now there are ${now?.rows ?? 0}, or others. Nothing was changed.`,
        { hint: 'Make a new plan: reviewops gdpr plan.' },
      );
    }
    const done: { table: string; rows: number; action: string }[] = [];
    const byId = new Map(found.map((finding) => [finding.table.id, finding]));
    const ordered = childrenFirst(found.map(({ table }) => table));
    for (const stays of [true, false]) {
      for (const table of ordered) {
        const action = table.rows ?? 'keep';
        const rows = byId.get(table.id)?.rows ?? 0;
        if ((action === 'delete') === stays) continue;
        const changed = await apply(client, table, all, work.pseudonym);
        if (changed !== rows) {
          throw failed(
            'ERASE_COUNT_MISMATCH',
            `${action} of ${table.id} touched ${changed} rows in place of ${rows}. Nothing was changed.`,
            { hint: 'A trigger or a rule of the database interferes; look at \\d of the table.' },
          );
        }
        done.push({ table: table.id, rows, action });
      }
    }
    await refreshViews(client, model, work.config);
    await work.record(done);
    return done;
  }, 'ISOLATION LEVEL REPEATABLE READ');
}

async function apply(
  client: DatabaseClient,
  table: ModelTable,
  needles: Needles,
  pseudonym: (customerId: string) => string,
): Promise<number> {
  const condition = conditionFor(table, needles);
  if (condition === undefined) return 0;
  const name = quoteTable(table.schema, table.name);
  const { sql, values } = condition;
  if (table.rows === 'delete') return client.execute(`DELETE FROM ${name} WHERE ${sql}`, values);
  if (table.rows === 'keep' || table.rows === undefined) {
    const [row] = await client.query<{ rows: string }>(
      `SELECT count(*) AS rows FROM ${name} WHERE ${sql}`,
      values,
    );
    return Number(row?.rows ?? 0);
  }
  const bound: unknown[] = [...values];
  const assignments = changedColumns(table).map((column) => {
    const quoted = quoteIdentifier(column);
    if (table.rows !== 'pseudonymise' || !isPseudonymised(table, column)) return `${quoted} = NULL`;
    const ids = needles.of('customer');
    bound.push(ids, ids.map(pseudonym));
    return `${quoted} = (SELECT p FROM unnest($${bound.length - 1}::text[], $${bound.length}::text[]) AS x (id, p) WHERE id = ${quoted}::text)`;
  });
  return client.execute(`UPDATE ${name} SET ${assignments.join(', ')} WHERE ${sql}`, bound);
}

/** Materialised views show rows of before until they are refreshed. */
async function refreshViews(
  client: DatabaseClient,
  { tables }: PrivacyModel,
  { serving }: Config,
): Promise<void> {
  for (const { schema, name, kind } of tables) {
    if (kind === 'materialized')
      await client.execute(`REFRESH MATERIALIZED VIEW ${quoteTable(schema, name)}`);
  }
  await client.execute(
    `UPDATE maintenance.fact_loads AS load SET rows =
       (SELECT count(*) FROM ${quoteTable(serving.schema, serving.table)} AS fact WHERE fact.batch_id = load.batch_id)`,
  );
}

/**
 * Takes dead rows out of the tables' pages and out of the planner's statistics, which show values
 * until they are gathered anew: only columns that have statistics are looked at again, so that no
 * text comes into them that was not there.
 */
export async function cleanPages(
  client: DatabaseClient,
  tables: readonly { schema: string; name: string }[],
  full: boolean,
): Promise<void> {
  for (const { schema, name } of tables) {
    const leaves = await client.query<{ schema: string; name: string }>(
      `SELECT n.nspname::text AS schema, c.relname::text AS name
       FROM pg_partition_tree($1::regclass) p JOIN pg_class c ON c.oid = p.relid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'
       UNION SELECT $2::text, $3::text WHERE NOT EXISTS (SELECT FROM pg_partition_tree($1::regclass))`,
      [quoteTable(schema, name), schema, name],
    );
    for (const leaf of leaves) {
      await client.execute(`VACUUM ${full ? '(FULL) ' : ''}${quoteTable(leaf.schema, leaf.name)}`);
    }
    const parent = leaves.some((leaf) => leaf.name === name) ? [] : [{ schema, name }];
    for (const one of [...leaves, ...parent]) await analyzeAgain(client, one);
  }
}

async function analyzeAgain(
  client: DatabaseClient,
  { schema, name }: { schema: string; name: string },
): Promise<void> {
  const columns = await client.query<{ name: string }>(
    'SELECT DISTINCT attname::text AS name FROM pg_stats WHERE schemaname = $1 AND tablename = $2',
    [schema, name],
  );
  if (columns.length === 0) return;
  const table = quoteTable(schema, name);
  const list = columns.map((column) => quoteIdentifier(column.name)).join(', ');
  await client.execute(`ANALYZE ${table} (${list})`);
  // An empty table keeps the statistics of before; only newer servers can be told to forget them.
  const [now] = await client.query<{ empty: boolean; can: boolean }>(
    `SELECT NOT EXISTS (SELECT FROM ${table}) AS empty, to_regproc('pg_clear_attribute_stats') IS NOT NULL AS can`,
  );
  if (now?.empty !== true || !now.can) return;
  for (const column of columns) {
    await client.query(
      `SELECT pg_clear_attribute_stats($1, $2, $3, inherited) FROM pg_stats
       WHERE schemaname = $1 AND tablename = $2 AND attname = $3`,
      [schema, name, column.name],
    );
  }
}
