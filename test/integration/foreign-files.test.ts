import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parquetSource } from '../../src/engine/parquet.js';
import { type Engine, openEngine } from '../../src/engine/session.js';
import { fidelityProblem, rewriteParquet } from '../../src/privacy/parquet-rewriter.js';
import { runPeer } from './moto.js';

let root: string;
let engine: Engine;
let names: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reviewops-foreign-'));
  for (const name of ['before', 'deleted', 'emptied']) await mkdir(join(root, name));
  names = await runPeer<string[]>('foreign_files.py', ['write', join(root, 'before')], {});
  const signal = new AbortController().signal;
  engine = await openEngine({ memoryLimit: '256MB', threads: 2, scratch: root, signal });
  await engine.run('SET preserve_insertion_order = true');
});
afterAll(async () => {
  await engine.close();
  await rm(root, { recursive: true, force: true });
});

const hash = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

const condition = "customer_id IN ('C7')";
const fileOf = (name: string) => join(root, 'before', `${name}.parquet`);

async function rowsOf(path: string): Promise<number> {
  const [row] = await engine.rows<{ rows: number }>(
    `SELECT count(*) AS rows FROM ${parquetSource([path])} WHERE ${condition}`,
  );
  return row?.rows ?? 0;
}

/** What the engine cannot read, it could not compare; all else can be rewritten. */
const refused: Record<string, string> = {
  encrypted: 'it is encrypted',
  split: 'its column k is in BYTE_STREAM_SPLIT and holds no FLOAT or DOUBLE',
};

describe('rule 8: files of other writers', () => {
  it.each([
    ['deleted', 'compare', undefined],
    ['emptied', 'emptied', ['customer_id']],
  ] as const)(
    'rows %s: all forms but those refused by name, and pyarrow finds nothing else changed',
    async (directory, how, redact) => {
      for (const name of names) {
        const from = fileOf(name);
        const before = await hash(from);
        const problem = await fidelityProblem(
          from,
          redact === undefined ? undefined : () => redact,
        );
        if (problem !== undefined) {
          expect(problem).toBe(refused[name]);
          continue;
        }
        const to = join(root, directory, `${name}.parquet`);
        const rows = await rowsOf(from);
        const done = await rewriteParquet(engine, { from, to, condition, redact, rows });
        expect([name, rows > 0]).toEqual([name, true]);
        expect(done.rowsBefore - done.rowsAfter).toBe(redact === undefined ? rows : 0);
        expect(await rowsOf(to)).toBe(0);
        expect(await hash(from)).toBe(before);
      }
      const differences = await runPeer<Record<string, string[]>>(
        'foreign_files.py',
        [how, join(root, 'before'), join(root, directory)],
        {},
      );
      const whole = names.filter((name) => refused[name] === undefined);
      expect(differences).toEqual(Object.fromEntries(whole.map((name) => [name, []])));
    },
  );

  it('a column that cannot be null is not emptied: refused, and named', async () => {
    expect(await fidelityProblem(fileOf('required'), () => ['r'])).toBe(
      'its column r cannot be null',
    );
    const work = { from: fileOf('required'), to: join(root, 'null'), condition, rows: 2 };
    await expect(rewriteParquet(engine, { ...work, redact: ['r'] })).rejects.toMatchObject({
      code: 'FILE_NOT_REWRITABLE',
      exitCode: 3,
    });
  });

  it('a file that is cut is refused', async () => {
    const cut = join(root, 'cut.parquet');
    await copyFile(fileOf('snappy'), cut);
    await truncate(cut, 200);
    expect(await fidelityProblem(cut)).toBe('the marks of a Parquet file are missing');
  });
});
