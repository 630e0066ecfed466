// A server for bench/runbooks.ts, in a process of its own: prints its address as one JSON document
// once the buckets hold as many keys as asked for, and ends with its stdin.
import { configSchema } from '../src/config/schema.js';
import { batchPrefix } from '../src/lake/layout.js';
import { openLake } from '../src/lake/open.js';
import { makeBucket } from '../test/support/s3-probe.js';
import { startS3 } from '../test/support/s3-server.js';

/** Batches that the keys are spread over. */
const batches = 20;

const [pattern = '', keys = '0'] = process.argv.slice(2);
const { stop: _, ...server } = await startS3();
for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
  await makeBucket(server, pattern.replace('{layer}', layer));
}
const s3 = { bucket: pattern, endpoint: server.endpoint, region: server.region };
const { lake: settings } = configSchema.parse({
  lake: { kind: 's3', s3: { ...s3, encryption: 'none' } },
});
const lake = await openLake(settings, {
  home: '/nonexistent',
  profile: 'bench',
  signal: new AbortController().signal,
  aws: async () => ({
    credentials: { ...server.credentials, sessionToken: undefined },
    profile: undefined,
    region: undefined,
    endpoint: undefined,
  }),
});
let next = 0;
const writers = Array.from({ length: 32 }, async () => {
  for (let index = next++; index < Number(keys); index = next++) {
    const batchId = `202001${String(1 + (index % batches)).padStart(2, '0')}_000000`;
    const name = `review/part-${String(index).padStart(6, '0')}.parquet`;
    await lake.put(`${batchPrefix('bronze', batchId)}${name}`, 'x');
  }
});
await Promise.all(writers);
process.stdout.write(`${JSON.stringify(server)}\n`);
process.stdin.resume().on('end', () => process.exit(0));
