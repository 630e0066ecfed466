import http from 'node:http';

const pageKeys = 1000;

const entry = (key: string): string =>
  `<Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"x"</ETag><Size>1</Size>`;

/** One page of a list of `total` keys that begins with the key number `from`. */
function listPage(total: number, from: number): string {
  const to = Math.min(total, from + pageKeys);
  const contents = Array.from(
    { length: to - from },
    (_, index) => `<Contents>${entry(keyOf(from + index))}</Contents>`,
  );
  const next = to < total ? `<NextContinuationToken>${to}</NextContinuationToken>` : '';
  return `<?xml version="1.0"?><ListBucketResult>${contents.join('')}<IsTruncated>${to < total}</IsTruncated>${next}</ListBucketResult>`;
}

const keyOf = (index: number): string => `k${String(index).padStart(9, '0')}`;

/** The answer to one request, its body already read. */
function answer(request: http.IncomingMessage, response: http.ServerResponse, keys: number): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://sink');
  const total = pathname.includes('-raw') ? keys : 0;
  if (request.method === 'GET' && searchParams.has('list-type')) {
    const prefix = searchParams.get('prefix') ?? '';
    const from = Number(searchParams.get('continuation-token') ?? 0);
    response.end(listPage(prefix === '' ? total : 0, from));
  } else if (request.method === 'GET' && searchParams.has('versions')) {
    response.end('<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>');
  } else if (request.method === 'GET' || request.method === 'HEAD') {
    response.writeHead(404, { 'content-type': 'application/xml' });
    response.end(request.method === 'HEAD' ? '' : '<Error><Code>NoSuchKey</Code></Error>');
  } else if (request.method === 'POST' && searchParams.has('uploads')) {
    response.end(
      '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>',
    );
  } else if (request.method === 'POST') {
    response.end('<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>');
  } else {
    response.setHeader('etag', '"x"');
    response.end();
  }
}

/**
 * A store that takes uploads and forgets them, and lists keys in the raw bucket that it makes up:
 * measures the client alone, since a server that keeps 1 GB in memory or sorts 100,000 keys for each
 * page would be what is measured.
 *
 * @returns its address
 */
export function startSink(keys: number): Promise<string> {
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => answer(request, response, keys));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      resolve(`http://127.0.0.1:${address.port}`);
    });
  });
}
