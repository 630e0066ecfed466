import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { z } from 'zod';

/** Receivers on loopback that check what they get as the real ones do, and fail on demand. */

/** `status`: answers so. `cut`: takes such a request in and hangs up without an answer. */
export type Trouble =
  | { status: number; retryAfter?: number }
  | { cut: (request: Received) => boolean }
  | undefined;

export interface Received {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

export interface HttpPeer {
  url: string;
  /** What was accepted, in its order. */
  received: Received[];
  /** What was refused for its form or its credentials. */
  refused: string[];
  trouble: Trouble;
  close(): Promise<void>;
}

export type Handler = (
  request: Received,
) => { status: number; body?: unknown; refused?: string } | undefined;

export async function httpPeer(handle: Handler): Promise<HttpPeer> {
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  async function answer(request: IncomingMessage, response: ServerResponse) {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const { trouble } = peer;
    if (trouble !== undefined && 'status' in trouble) {
      if (trouble.retryAfter !== undefined) response.setHeader('retry-after', trouble.retryAfter);
      response.writeHead(trouble.status).end('{"error":"in trouble"}');
      return;
    }
    const received: Received = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    const outcome = handle(received) ?? { status: 404, refused: `no ${received.path}` };
    if (outcome.refused === undefined) peer.received.push(received);
    else peer.refused.push(outcome.refused);
    if (trouble !== undefined && 'cut' in trouble && trouble.cut(received)) {
      request.socket.destroy();
      return;
    }
    response.writeHead(outcome.status, { 'content-type': 'application/json' });
    response.end(outcome.body === undefined ? '' : JSON.stringify(outcome.body));
  }
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const peer: HttpPeer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: [],
    refused: [],
    trouble: undefined,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return peer;
}

const refuse = (status: number, why: string) => ({ status, body: { error: why }, refused: why });

/** Checks a body, or says what is wrong with it. */
function check(schema: z.ZodType, body: unknown): string | undefined {
  const result = schema.safeParse(body);
  return result.success
    ? undefined
    : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}

const plainText = z.strictObject({
  type: z.literal('plain_text'),
  text: z.string().min(1).max(3000),
  emoji: z.boolean().optional(),
});

export const slackPeer = (): Promise<HttpPeer> =>
  httpPeer(({ path, body }) => {
    if (path !== '/services/T0/B0/secret') return refuse(403, 'invalid_token');
    const schema = z.strictObject({
      text: z.string().min(1),
      mrkdwn: z.boolean().optional(),
      blocks: z
        .array(
          z.discriminatedUnion('type', [
            z.strictObject({
              type: z.literal('header'),
              text: plainText.extend({ text: z.string().max(150) }),
            }),
            z.strictObject({ type: z.literal('section'), text: plainText }),
          ]),
        )
        .max(50),
    });
    const wrong = check(schema, body);
    return wrong === undefined ? { status: 200, body: 'ok' } : refuse(400, wrong);
  });

/** Any JSON with a key; a key that was seen is answered alike and not counted again. */
export const webhookPeer = (): Promise<HttpPeer> => {
  const seen = new Set<string>();
  return httpPeer(({ headers }) => {
    const key = String(headers['idempotency-key'] ?? '');
    if (key === '') return refuse(400, 'no key');
    if (seen.has(key)) return { status: 200, refused: `again: ${key}` };
    seen.add(key);
    return { status: 200 };
  });
};

export const smsPeer = (): Promise<HttpPeer> =>
  httpPeer(({ headers, body }) => {
    if (headers.authorization !== 'Bearer sms-token') return refuse(401, 'token');
    const schema = z.strictObject({
      to: z.array(z.string().regex(/^\+\d+$/)).min(1),
      text: z.string().min(1).max(320),
    });
    const wrong = check(schema, body);
    return wrong === undefined ? { status: 202 } : refuse(400, wrong);
  });

/** PagerDuty's Events API v2, with the alerts that it makes of the events. */
export async function pagerdutyPeer(): Promise<HttpPeer & { alerts: Map<string, string> }> {
  const alerts = new Map<string, string>();
  const key = z.string().min(1).max(255);
  const common = { routing_key: z.literal('pagerduty-key-of-32-characters-00'), dedup_key: key };
  const schema = z.discriminatedUnion('event_action', [
    z.strictObject({
      ...common,
      event_action: z.literal('trigger'),
      payload: z.strictObject({
        summary: z.string().min(1).max(1024),
        source: z.string().min(1),
        severity: z.enum(['critical', 'error', 'warning', 'info']),
        timestamp: z.iso.datetime(),
        custom_details: z.record(z.string(), z.unknown()),
      }),
    }),
    z.strictObject({ ...common, event_action: z.enum(['acknowledge', 'resolve']) }),
  ]);
  const peer = await httpPeer(({ method, path, body }) => {
    if (method !== 'POST' || path !== '/v2/enqueue') return undefined;
    const wrong = check(schema, body);
    if (wrong !== undefined) return refuse(400, wrong);
    const { dedup_key, event_action } = body as { dedup_key: string; event_action: string };
    alerts.set(dedup_key, event_action);
    return { status: 202, body: { status: 'success', message: 'Event processed', dedup_key } };
  });
  return Object.assign(peer, { alerts });
}

export interface Mail {
  from: string;
  to: string[];
  /** As it came over the wire. */
  text: string;
}

export interface MailPeer {
  port: number;
  mails: Mail[];
  trouble: number | undefined;
  close(): Promise<void>;
}

export async function mailPeer(): Promise<MailPeer> {
  const peer: MailPeer = { port: 0, mails: [], trouble: undefined, close: async () => undefined };
  const server = new SMTPServer({
    authMethods: ['PLAIN', 'LOGIN'],
    allowInsecureAuth: true,
    hideSTARTTLS: true,
    onAuth: ({ username, password }, _session, callback) => {
      if (username === 'reviewops' && password === 'smtp-password') {
        callback(null, { user: username });
      } else callback(new Error('Invalid login'));
    },
    onData: (stream, session, callback) => {
      let text = '';
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      stream.on('end', () => {
        if (peer.trouble !== undefined) {
          callback(Object.assign(new Error('in trouble'), { responseCode: peer.trouble }));
          return;
        }
        const { mailFrom, rcptTo } = session.envelope;
        peer.mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text,
        });
        callback(null);
      });
    },
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', () => done());
  });
  peer.port = (server.server.address() as AddressInfo).port;
  peer.close = () => new Promise((done) => server.close(() => done()));
  return peer;
}
