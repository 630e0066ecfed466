// Servers for bench/s3.ts, in a process of their own so that they do not share its time:
// prints one JSON document with their addresses, and ends with its stdin.
import http from 'node:http';
import { makeBucket, type S3Server } from '../test/support/s3-probe.js';
import { startProxy } from '../test/support/s3-proxy.js';
import { startS3 } from '../test/support/s3-server.js';

const [pattern = '', latency = '30', keys = '100000'] = process.argv.slice(2);

/**
 * Takes uploads and forgets them, and lists keys that it makes up: measures the client alone, since
 * a server that keeps 1 GB in memory or sorts 100,000 keys for each page would be what is measured.
 */
function startSink(total: number): Promise<string> {
  const page = (from: number): string => {
    const to = Math.min(total, from + 1000);
    let xml = '<?xml version="1.0"?><ListBucketResult>';
    for (let index = from; index < to; index += 1) {
      const key = `raw/k${String(index).padStart(9, '0')}`;
      xml += `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"x"</ETag><Size>1</Size></Contents>`;
    }
    const more = to < total ? `<NextContinuationToken>${to}</NextContinuationToken>` : '';
    return `${xml}<IsTruncated>${to < total}</IsTruncated>${more}</ListBucketResult>`;
  };
  const server = http.createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://sink');
    request.resume().on('end', () => {
      if (request.method === 'GET' && searchParams.has('list-type')) {
        const prefix = searchParams.get('prefix') ?? '';
        const from = Number(searchParams.get('continuation-token') ?? 0);
        response.end(prefix.startsWith('raw') ? page(from) : page(total));
      } else if (request.method === 'GET' || request.method === 'HEAD') {
        response.writeHead(404, { 'content-type': 'application/xml' });
        response.end(request.method === 'HEAD' ? '' : '<Error><Code>NoSuchKey</Code></Error>');
      } else if (request.method === 'POST' && searchParams.has('uploads')) {
        response.end(
          '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>',
        );
      } else if (request.method === 'POST') {
        response.end(
          '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>',
        );
      } else {
        response.setHeader('etag', '"x"');
        response.end();
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      resolve(`http://127.0.0.1:${address.port}`);
    });
  });
}

const { stop: _, ...server } = await startS3();
for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
  await makeBucket(server as S3Server, pattern.replace('{layer}', layer));
}
const slow = await startProxy(server.endpoint, { latency: Number(latency) });
const sink = await startSink(Number(keys));
process.stdout.write(
  `${JSON.stringify({ direct: server.endpoint, slow: slow.endpoint, sink, credentials: server.credentials })}\n`,
);
process.stdin.resume().on('end', () => process.exit(0));
