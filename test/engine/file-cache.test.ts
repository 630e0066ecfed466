import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parquetSource } from '../../src/engine/parquet.js';
import { literal, openEngine } from '../../src/engine/session.js';
import { sandbox } from '../support/sandbox.js';

it('nothing of a file is kept for the next statement: another may have taken its place', async () => {
  const directory = await sandbox();
  const { signal } = new AbortController();
  const engine = await openEngine({ memoryLimit: '256MB', threads: 2, scratch: directory, signal });
  const path = join(directory, 'file.parquet');
  try {
    await engine.run(
      `COPY (SELECT i FROM range(5000) AS t (i)) TO ${literal(path)} (FORMAT parquet)`,
    );
    await engine.rows(`SELECT sum(i) FROM ${parquetSource([path])}`);
    expect(await engine.rows('SELECT path FROM duckdb_external_file_cache()')).toEqual([]);
  } finally {
    await engine.close();
  }
});
