import { createHash } from 'node:crypto';
import http from 'node:http';
import { DeleteObjectsCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { clientOf, type S3Server } from '../test/support/s3-probe.js';

/** What a bench does with a store beside our program: the baseline, and clearing up. */

export interface StoredObject {
  bucket: string;
  key: string;
  bytes: number;
}

export async function storedObjects(
  server: S3Server,
  buckets: readonly string[],
): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for (const bucket of buckets) {
    for await (const { Contents } of paginateListObjectsV2(
      { client: clientOf(server) },
      { Bucket: bucket },
    )) {
      for (const { Key: key = '', Size: bytes = 0 } of Contents ?? [])
        found.push({ bucket, key, bytes });
    }
  }
  return found;
}

export async function removeStored(
  server: S3Server,
  objects: readonly StoredObject[],
): Promise<void> {
  const client = clientOf(server);
  for (const bucket of new Set(objects.map((object) => object.bucket))) {
    const Objects = objects.filter((o) => o.bucket === bucket).map(({ key: Key }) => ({ Key }));
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
  }
}

const connections = 8;

/**
 * Fetches the objects over plain HTTP, each in one piece and several at once, hashes them with
 * SHA-256 as they arrive, and throws them away.
 *
 * @returns seconds of wall time
 */
export async function downloadAndHash(
  endpoint: string,
  objects: readonly StoredObject[],
): Promise<number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const started = performance.now();
  const queue = [...objects].sort((a, b) => b.bytes - a.bytes).values();
  const worker = async (): Promise<void> => {
    for (const { bucket, key, bytes } of queue) {
      const received = await hashOne(`${endpoint}/${bucket}/${encodeURI(key)}`, agent);
      if (received !== bytes) throw new Error(`${key}: ${received} bytes in place of ${bytes}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, worker));
  } finally {
    agent.destroy();
  }
  return (performance.now() - started) / 1000;
}

function hashOne(url: string, agent: http.Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    let bytes = 0;
    http
      .get(url, { agent }, (answer) => {
        answer.on('data', (chunk: Buffer) => {
          hash.update(chunk);
          bytes += chunk.length;
        });
        answer.on('end', () => {
          hash.digest();
          resolve(bytes);
        });
        answer.on('error', reject);
      })
      .on('error', reject);
  });
}
