import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publishLayer } from '../../src/lake/publish.js';
import { fetchLayerFiles } from '../../src/pipeline/layer-files.js';
import { draftOf, makeFiles } from '../support/drafts.js';
import { inOneBucket, openS3Lake } from '../support/s3-lake.js';
import { type RunningServer, startS3 } from '../support/s3-server.js';

let server: RunningServer;
let scratch: string;
beforeAll(async () => {
  server = await startS3();
  scratch = await mkdtemp(join(tmpdir(), 'reviewops-files-'));
});
afterAll(async () => {
  await server.stop();
  await rm(scratch, { recursive: true, force: true });
});

it('gives copies from S3 paths that sort as the files do: the first of two equal ids stays the first', async () => {
  const lake = await openS3Lake(await inOneBucket(server));
  const draft = draftOf({
    batchId: '20260131_235959',
    layer: 'bronze',
    scratch: join(scratch, 'made'),
    letter: 'a',
    parts: 12,
  });
  const { manifest } = await publishLayer(lake, makeFiles(draft, 'a'));
  const files = await fetchLayerFiles(lake, manifest, scratch, ['review']);
  const [review] = manifest.tables;
  const paths = review === undefined ? [] : files.of(review);
  expect(paths).toHaveLength(12);
  expect([...paths].sort()).toEqual(paths);
  await files.dispose();
  for (const path of paths) await expect(readFile(path)).rejects.toThrow(/ENOENT/);
});
