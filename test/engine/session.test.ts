import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/session.js';

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reviewops-engine-'));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

it('tells the reader of blobs that it was stopped while the reader was busy, and nobody else', async () => {
  const stop = new AbortController();
  const options = { memoryLimit: '256MB', threads: 2, scratch, signal: stop.signal };
  const engine = await openEngine(options);
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const read = async () => {
      for await (const _piece of engine.blobs(
        "SELECT encode(repeat('x', 1000) || range) FROM range(500000)",
      )) {
        stop.abort();
        // As a database that takes its time does: node tells of unhandled rejections meanwhile.
        await delay(20);
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
    await engine.close();
  }
});
