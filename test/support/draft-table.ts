import { join } from 'node:path';
import { describeParquet, writeParquet } from '../../src/engine/parquet.js';
import type { Engine } from '../../src/engine/session.js';
import type { DraftTable } from '../../src/lake/publish.js';

/** A table to publish, from one query or from one a file; the files are written to `directory`. */
export async function draftTable(
  engine: Engine,
  directory: string,
  name: string,
  queries: string | string[],
): Promise<DraftTable> {
  const draft: DraftTable = { name, columns: [], files: [] };
  for (const [part, query] of [queries].flat().entries()) {
    const path = join(directory, `${name}-${part}.parquet`);
    await writeParquet(engine, query, path);
    const { columns, rows, ranges } = await describeParquet(engine, path);
    draft.columns = columns;
    draft.files.push({ path, rows, ranges });
  }
  return draft;
}
