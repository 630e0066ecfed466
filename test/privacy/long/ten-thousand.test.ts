import { createHash } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parquetSource } from '../../../src/engine/parquet.js';
import { type Engine, literal, openEngine } from '../../../src/engine/session.js';
import { tableFileKey } from '../../../src/lake/layout.js';
import { makePrivacyWorld, type PrivacyWorld } from '../support.js';

const files = 10_000;
const batches = 20;
const rowsPerFile = 8;
/** Where the person is, with how many rows. */
const holding = new Map([
  [17, 1],
  [4_203, 2],
  [9_999, 3],
]);

let world: PrivacyWorld;
let engine: Engine;
const paths: string[] = [];

/** Rows of people whose ids look like the person's, or who have none. */
async function template(name: string, persons: number): Promise<Buffer> {
  const path = join(world.root, `${name}.parquet`);
  const ids = ["'1420'", "'142'", "'4200'", "'420'", 'NULL', "'042'", "'42 '", "'C42'"].map(
    (id, row) => (row < persons ? "'42'" : id),
  );
  const rows = ids.map((id, row) => `(${id}, ${row})`);
  await engine.run(
    `COPY (SELECT 'L' || row AS review_id, id AS customer_id, 'A title' AS title, 'Text of ' || row AS body,
             5::SMALLINT AS rating, true AS verified_purchase, row AS helpful_votes, TIMESTAMPTZ '2025-01-01' AS created_at
           FROM (VALUES ${rows.join(', ')}) AS t (id, row)) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`,
  );
  return readFile(path);
}

beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 20 });
  const signal = new AbortController().signal;
  engine = await openEngine({ memoryLimit: '512MB', threads: 2, scratch: world.root, signal });
  const bodies = new Map<number, Buffer>();
  for (const persons of [0, 1, 2, 3]) bodies.set(persons, await template(`t${persons}`, persons));
  for (let file = 0; file < files; file += 1) {
    const batchId = `202601${String(1 + (file % batches)).padStart(2, '0')}_000000`;
    const place = { part: Math.floor(file / batches), parts: files / batches, generation: 1 };
    const path = join(world.root, 'data', tableFileKey('bronze', batchId, 'review', place));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bodies.get(holding.get(file) ?? 0) ?? '');
    paths.push(path);
  }
}, 240_000);
afterAll(async () => {
  await engine.close();
  await world.dispose();
});

/** Bytes, inode and time of change of every file. */
const looks = (): Promise<string[]> =>
  Promise.all(
    paths.map(async (path) => {
      const { ino, mtimeNs } = await stat(path, { bigint: true });
      return `${createHash('sha256')
        .update(await readFile(path))
        .digest('hex')} ${ino} ${mtimeNs}`;
    }),
  );

/** How many rows each id has. */
const rowsById = () =>
  engine.rows<{ id: string | null; rows: number }>(
    `SELECT customer_id AS id, count(*) AS rows FROM ${parquetSource(paths)} GROUP BY ALL ORDER BY ALL`,
  );

describe('must hold: a lake of 10,000 files of which 3 hold the person', () => {
  it('exactly 3 are rewritten, all others keep their bytes; rows without an id and of others stay', async () => {
    await world.client.execute("INSERT INTO amazon.customer (customer_id) VALUES ('42'), ('1420')");
    const [before, rows] = [await looks(), await rowsById()];
    await world.request('DSR-large', { customer: ['42'] });
    const { report } = await world.erase({ requestIds: ['DSR-large'] });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(report.plan?.totals).toMatchObject({ filesRewritten: 3 });
    const after = await looks();
    const changed = after.flatMap((look, file) => (look === before[file] ? [] : [file]));
    expect(changed).toEqual([...holding.keys()]);
    const total = (counted: readonly { rows: number }[]) =>
      counted.reduce((sum, { rows: one }) => sum + one, 0);
    expect(total(rows)).toBe(files * rowsPerFile);
    expect(rows).toContainEqual({ id: '42', rows: 6 });
    expect(rows).toContainEqual({ id: null, rows: files });
    expect(await rowsById()).toEqual(rows.filter(({ id }) => id !== '42'));
    const left = await world.client.query(
      "SELECT customer_id FROM amazon.customer WHERE customer_id IN ('42', '1420')",
    );
    expect(left).toEqual([{ customer_id: '1420' }]);
  }, 240_000);
});
