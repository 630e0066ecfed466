import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/session.js';
import { fidelityProblem, rewriteParquet } from '../../src/privacy/parquet-rewriter.js';
import { runPeer } from './moto.js';

let root: string;
let engine: Engine;
let names: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reviewops-foreign-'));
  for (const name of ['before', 'after']) await mkdir(join(root, name));
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

describe('rule 8: files of other writers', () => {
  it('are rewritten without loss, as pyarrow sees it, or refused by name and left as they are', async () => {
    const refused: Record<string, string> = {};
    for (const name of names) {
      const from = join(root, 'before', `${name}.parquet`);
      const before = await hash(from);
      const problem = await fidelityProblem(engine, from, join(root, 'empty.parquet'));
      const work = {
        from,
        to: join(root, 'after', `${name}.parquet`),
        condition: "customer_id IN ('C7')",
        redact: undefined,
        rows: 2,
      };
      if (problem === undefined) await rewriteParquet(engine, work);
      else {
        refused[name] = problem;
        // What was not foreseen is refused by the rewrite itself.
        await expect(rewriteParquet(engine, work)).rejects.toMatchObject({
          code: expect.any(String),
        });
        await rm(work.to, { force: true });
      }
      expect(await hash(from)).toBe(before);
    }
    const differences = await runPeer<Record<string, string[]>>(
      'foreign_files.py',
      ['compare', join(root, 'before'), join(root, 'after')],
      {},
    );
    for (const [name, found] of Object.entries(differences))
      expect([name, found]).toEqual([name, []]);
    for (const name of ['snappy', 'gzip', 'zstd', 'uncompressed', 'groups', 'metadata']) {
      expect(Object.keys(differences)).toContain(name);
    }
    for (const name of ['int96', 'wide_decimal', 'required', 'sorted', 'timestamp_ms']) {
      expect(Object.keys(refused)).toContain(name);
    }
  });
});
