import type { Config } from '../config/schema.js';
import { failed, invalid } from '../system/errors.js';
import { nearest } from '../system/nearest.js';
import type { TableStatistics } from './table-statistics.js';

export interface VacuumSelection {
  tables: TableStatistics[];
  /** Tables with dead rows that are left alone, and why. */
  left: { table: string; why: string }[];
}

/**
 * Chooses what to vacuum: the named tables, whatever their state, or those with enough dead rows
 * to be worth it. Tables without writes and tiny ones are no business of anybody's.
 *
 * @throws TABLE_NOT_FOUND (exit 2), VACUUM_NOT_ALLOWED (exit 1) for a named table
 */
export function selectTables(
  all: readonly TableStatistics[],
  names: readonly string[] | undefined,
  thresholds: Config['maintenance'],
): VacuumSelection {
  if (names !== undefined) return { tables: namedTables(all, names), left: [] };
  const selection: VacuumSelection = { tables: [], left: [] };
  const tiny = thresholds.tinyTableKilobytes * 1024;
  for (const table of all) {
    const { deadTuples: dead, liveTuples: live } = table;
    if (dead === 0) continue;
    const share = dead === null ? 0 : (100 * dead) / (dead + (live ?? 0));
    let why: string | undefined;
    if (table.heapBytes <= tiny) why = 'it is tiny';
    else if (!table.allowed) why = 'this role may not vacuum it';
    else if (dead !== null && dead < thresholds.deadTuples && share < thresholds.deadTuplePercent) {
      why = `${dead} dead rows are too few to matter`;
    }
    if (why === undefined) selection.tables.push(table);
    else selection.left.push({ table: table.table, why });
  }
  return selection;
}

/** Each name stands for a table, with or without its schema, or for all partitions of one. */
function namedTables(all: readonly TableStatistics[], names: readonly string[]): TableStatistics[] {
  const bare = (qualified: string) => qualified.slice(qualified.indexOf('.') + 1);
  const chosen = new Map<string, TableStatistics>();
  for (const name of names) {
    const found = all.filter(({ table, parent }) =>
      [table, parent].some(
        (qualified) => qualified !== null && (qualified === name || bare(qualified) === name),
      ),
    );
    if (found.length === 0) {
      const known = [...new Set(all.map(({ table, parent }) => parent ?? table))];
      const similar = nearest(name, [...known, ...known.map(bare)]);
      throw invalid('TABLE_NOT_FOUND', `There is no table ${name} that holds rows.`, {
        hint:
          similar === undefined ? `There are: ${known.join(', ')}.` : `Did you mean ${similar}?`,
      });
    }
    for (const table of found) chosen.set(table.oid, table);
  }
  const forbidden = [...chosen.values()].filter(({ allowed }) => !allowed);
  if (forbidden.length > 0) {
    // The server itself only warns and calls it a success.
    throw failed(
      'VACUUM_NOT_ALLOWED',
      `This role may not vacuum ${forbidden.map(({ table }) => table).join(', ')}.`,
      { hint: 'Connect as the owner, or let it: GRANT MAINTAIN ON TABLE … TO … (PostgreSQL 17).' },
    );
  }
  // In one order, however they were named: the plan is bound to it.
  return all.filter(({ oid }) => chosen.has(oid));
}
