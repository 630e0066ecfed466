import { parquetSource } from '../engine/parquet.js';
import { type Engine, literal } from '../engine/session.js';
import { isOperatorError } from '../system/errors.js';
import type { UnitCopy } from './lake-units.js';

export interface SameColumns {
  columns: { name: string; type: string }[];
  copies: UnitCopy[];
}

/** Files with the same columns together, so that one statement reads them all. */
export async function bySchema(
  engine: Engine,
  copies: readonly UnitCopy[],
  onDamaged: (copy: UnitCopy) => void,
): Promise<SameColumns[]> {
  const byPath = new Map(copies.map((copy) => [copy.path, copy]));
  const read = (paths: readonly string[]) =>
    engine.rows<{ file: string; signature: string }>(
      `SELECT file_name AS file, md5(string_agg(concat_ws('|', name, type, converted_type, logical_type, repetition_type, num_children, scale, precision), ',' ORDER BY column_id)) AS signature
       FROM parquet_schema([${paths.map(literal).join(', ')}]) WHERE column_id > 0 GROUP BY file_name`,
    );
  let rows: { file: string; signature: string }[] = [];
  try {
    if (byPath.size > 0) rows = await read([...byPath.keys()]);
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    // One of them is damaged: one by one, the others can still be read.
    for (const copy of copies) {
      try {
        rows.push(...(await read([copy.path])));
      } catch (damage) {
        if (!isOperatorError(damage) || damage.code === 'INTERRUPTED') throw damage;
        onDamaged(copy);
      }
    }
  }
  const groups = new Map<string, UnitCopy[]>();
  for (const { file, signature } of rows) {
    const copy = byPath.get(file);
    if (copy === undefined) continue;
    const own = groups.get(signature) ?? [];
    groups.set(signature, own);
    own.push(copy);
  }
  const found: SameColumns[] = [];
  for (const own of groups.values()) {
    const [first] = own;
    if (first === undefined) continue;
    const columns = await engine.rows<{ name: string; type: string }>(
      `SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM ${parquetSource([first.path])})`,
    );
    found.push({ columns, copies: own });
  }
  return found;
}
