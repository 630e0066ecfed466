// Servers for bench/s3.ts, in a process of their own so that they do not share its time:
// prints one JSON document with their addresses, and ends with its stdin.
import { makeBucket, type S3Server } from '../test/support/s3-probe.js';
import { startProxy } from '../test/support/s3-proxy.js';
import { startS3 } from '../test/support/s3-server.js';
import { startSink } from './s3-sink.js';

/** What bench/s3.ts is told. */
export interface BenchServers {
  /** The S3 server of the tests. */
  server: S3Server;
  /** The same with latency. */
  slow: string;
  /** Takes everything, keeps nothing; has as many keys as asked for, and a hundredth of them. */
  sink: string;
  smallSink: string;
}

const [pattern = '', latency = '30', keys = '100000'] = process.argv.slice(2);
const { stop: _, ...server } = await startS3();
for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
  await makeBucket(server, pattern.replace('{layer}', layer));
}
const { endpoint: slow } = await startProxy(server.endpoint, { latency: Number(latency) });
const servers: BenchServers = {
  server,
  slow,
  sink: await startSink(Number(keys)),
  smallSink: await startSink(Number(keys) / 100),
};
process.stdout.write(`${JSON.stringify(servers)}\n`);
process.stdin.resume().on('end', () => process.exit(0));
