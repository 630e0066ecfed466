import http from 'node:http';
import { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

/** A proxy in front of an S3 server that a test makes misbehave. */

export interface Seen {
  method: string;
  /** Decoded, with the bucket first. */
  path: string;
  query: URLSearchParams;
  headers: http.IncomingHttpHeaders;
  /** Of a form, as IAM and STS are asked: `Action=CreateAccessKey&…`. */
  form?: string;
}

/** What happens to a request in place of what should. */
export type Fault =
  /** The connection breaks after this many bytes of the request's body. */
  | { kind: 'reset'; afterBytes?: number }
  /** The request is carried out, and the connection breaks before the answer. */
  | { kind: 'lose-answer' }
  /** The answer breaks off after this many bytes of its body. */
  | { kind: 'truncate'; afterBytes: number }
  /** An error of the store. */
  | { kind: 'refuse'; status: number; code: string; headers?: Record<string, string> }
  /** An answer of the test's own, to a request that is taken at this rate, as by a slow line. */
  | { kind: 'answer'; status: number; body: string; bytesPerSecond?: number }
  /** Something happens before the request is passed on. */
  | { kind: 'before'; run: () => Promise<void> };

export interface Rule {
  when(request: Seen): boolean;
  fault: Fault;
  /** How often it strikes; for ever when absent. */
  times?: number;
}

export interface S3Proxy {
  endpoint: string;
  requests: Seen[];
  rules: Rule[];
  /** Milliseconds that every request takes longer. */
  latency: number;
  stop(): Promise<void>;
}

export interface ProxyOptions {
  /** Keeps `If-None-Match` and `If-Match` of writes, for a server that ignores them. */
  conditions?: boolean;
  latency?: number;
}

export async function startProxy(upstream: string, options: ProxyOptions = {}): Promise<S3Proxy> {
  const { hostname, port } = new URL(upstream);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const proxy: S3Proxy = {
    endpoint: '',
    requests: [],
    rules: [],
    latency: options.latency ?? 0,
    stop: async () => {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  const conditions = new Conditions((method, path) => ask(method, path));

  const ask = (method: string, path: string): Promise<http.IncomingMessage> =>
    new Promise((resolve, reject) => {
      http
        .request({ hostname, port, method, path, agent }, (answer) => {
          answer.resume();
          resolve(answer);
        })
        .on('error', reject)
        .end();
    });

  const pass = (
    request: http.IncomingMessage,
    response: http.ServerResponse,
    fault?: Fault,
    form?: string,
  ) =>
    new Promise<void>((resolve, reject) => {
      const { method, url, headers } = request;
      const onward = http.request({ hostname, port, method, path: url, headers, agent });
      const broken = () => {
        request.socket.destroy();
        onward.destroy();
        resolve();
      };
      onward.on('error', fault === undefined ? reject : broken);
      onward.on('response', (answer) => {
        answer.on('error', broken);
        if (fault?.kind === 'lose-answer') {
          answer.resume().on('end', broken);
          return;
        }
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        if (fault?.kind !== 'truncate') {
          answer.pipe(response).on('close', resolve);
          return;
        }
        let sent = 0;
        answer.on('data', (chunk: Buffer) => {
          const part = chunk.subarray(0, fault.afterBytes - sent);
          sent += part.length;
          response.write(part, () => {
            if (sent >= fault.afterBytes) broken();
          });
        });
        answer.on('end', broken);
      });
      if (form !== undefined) {
        onward.end(form);
        return;
      }
      if (fault?.kind !== 'reset') {
        request.pipe(onward);
        request.on('close', () => {
          if (!request.complete) onward.destroy();
        });
        return;
      }
      let seen = 0;
      request.on('data', (chunk: Buffer) => {
        seen += chunk.length;
        if (seen >= (fault.afterBytes ?? 0)) broken();
      });
      request.on('end', broken);
    });

  const handle = async (
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> => {
    const url = new URL(request.url ?? '/', upstream);
    const seen: Seen = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname.slice(1)),
      query: url.searchParams,
      headers: request.headers,
    };
    const type = request.headers['content-type'] ?? '';
    if (type.startsWith('application/x-www-form-urlencoded')) {
      seen.form = (await buffer(request)).toString();
    }
    proxy.requests.push(seen);
    if (proxy.latency > 0) await delay(proxy.latency);
    const rule = proxy.rules.find(({ when, times }) => times !== 0 && when(seen));
    if (rule?.times !== undefined) rule.times -= 1;
    const fault = rule?.fault;
    if (fault?.kind === 'refuse') {
      if (seen.form === undefined) await buffer(request);
      refuse(response, seen.method, fault, seen.form !== undefined);
      return;
    }
    if (fault?.kind === 'answer') {
      if (seen.form === undefined) await buffer(request.pipe(lineOf(fault.bytesPerSecond)));
      response.writeHead(fault.status, { 'content-type': 'application/xml' });
      response.end(fault.body);
      return;
    }
    if (fault?.kind === 'before') await fault.run();
    const effect = fault?.kind === 'before' ? undefined : fault;
    const send = () => pass(request, response, effect, seen.form);
    if (options.conditions !== true) return send();
    await conditions.around(url.pathname, seen, send, async (status) => {
      await buffer(request);
      const code = status === 412 ? 'PreconditionFailed' : 'NoSuchKey';
      refuse(response, seen.method, { kind: 'refuse', status, code });
    });
  };

  const server = http.createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  proxy.endpoint = `http://127.0.0.1:${address.port}`;
  return proxy;
}

/** Passes on at a rate, by the clock and not by the sum of pauses. */
function lineOf(bytesPerSecond = Number.POSITIVE_INFINITY): Transform {
  const from = performance.now();
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length;
      const due = from + (passed / bytesPerSecond) * 1000;
      setTimeout(() => done(null, chunk), due - performance.now());
    },
  });
}

function refuse(
  response: http.ServerResponse,
  method: string,
  { status, code, headers = {} }: Extract<Fault, { kind: 'refuse' }>,
  asForm = false,
): void {
  const error = `<Error><Code>${code}</Code><Message>${code} of the test</Message></Error>`;
  const answer = asForm ? `<ErrorResponse>${error}</ErrorResponse>` : error;
  const body = `<?xml version="1.0" encoding="UTF-8"?>${answer}`;
  response.writeHead(status, { 'content-type': 'application/xml', ...headers });
  response.end(method === 'HEAD' ? undefined : body);
}

/** One write of a path at a time, each only when its condition holds. */
class Conditions {
  readonly #head: (method: string, path: string) => Promise<http.IncomingMessage>;
  readonly #turns = new Map<string, Promise<void>>();

  constructor(head: (method: string, path: string) => Promise<http.IncomingMessage>) {
    this.#head = head;
  }

  async around(
    path: string,
    { method, headers, query }: Seen,
    send: () => Promise<void>,
    refuse: (status: number) => Promise<void>,
  ): Promise<void> {
    const writes =
      ['PUT', 'DELETE'].includes(method) || (method === 'POST' && query.has('uploadId'));
    if (!writes || query.has('partNumber')) return send();
    const before = this.#turns.get(path) ?? Promise.resolve();
    const turn = before.then(async () => {
      const status = await this.#verdict(path, headers);
      await (status === undefined ? send() : refuse(status));
    });
    this.#turns.set(
      path,
      turn.catch(() => undefined),
    );
    await turn;
  }

  async #verdict(path: string, headers: http.IncomingHttpHeaders): Promise<number | undefined> {
    const { 'if-match': match, 'if-none-match': noneMatch } = headers;
    if (match === undefined && noneMatch === undefined) return undefined;
    const present = await this.#head('HEAD', path);
    const found = present.statusCode === 200;
    if (noneMatch === '*') return found ? 412 : undefined;
    if (!found) return 404;
    return present.headers.etag === match ? undefined : 412;
  }
}
