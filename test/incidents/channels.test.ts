import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendDue } from '../../src/incidents/delivery.js';
import { unsentMessages } from '../../src/incidents/outbox-list.js';
import type { IncidentStore } from '../../src/incidents/store.js';
import { act, escalateDue } from '../../src/incidents/work.js';
import {
  type HttpPeer,
  type MailPeer,
  mailPeer,
  pagerdutyPeer,
  slackPeer,
  smsPeer,
  webhookPeer,
} from '../support/incident-peers.js';
import {
  type IncidentWorld,
  incidentWorld,
  never,
  openOne,
  outletsFor,
} from '../support/incidents.js';

let world: IncidentWorld;
let mail: MailPeer;
let slack: HttpPeer;
let webhook: HttpPeer;
let sms: HttpPeer;
let pagerduty: Awaited<ReturnType<typeof pagerdutyPeer>>;
let secrets: Record<string, string>;

beforeAll(async () => {
  world = await incidentWorld();
  [mail, slack, webhook, sms, pagerduty] = await Promise.all([
    mailPeer(),
    slackPeer(),
    webhookPeer(),
    smsPeer(),
    pagerdutyPeer(),
  ]);
  secrets = {
    REVIEWOPS_SMTP_PASSWORD: 'smtp-password',
    REVIEWOPS_SLACK_WEBHOOK_URL: `${slack.url}/services/T0/B0/secret`,
    REVIEWOPS_WEBHOOK_URL: `${webhook.url}/hook`,
    REVIEWOPS_WEBHOOK_SECRET: 'webhook-secret',
    REVIEWOPS_SMS_URL: `${sms.url}/send`,
    REVIEWOPS_SMS_TOKEN: 'sms-token',
    REVIEWOPS_PAGERDUTY_KEY: 'pagerduty-key-of-32-characters-00',
  };
});
afterAll(async () => {
  await Promise.all([mail, slack, webhook, sms, pagerduty].map((peer) => peer.close()));
  await world.dispose();
});

const contacts = [
  { name: 'Ada', role: 'support', email: 'ada@example.com', phone: '+3312345' },
  {
    name: 'Bob',
    role: 'data-engineer',
    email: 'bob@example.com',
    days: ['mon'],
    from: '08:00',
    until: '18:00',
  },
  { name: 'Eve', role: 'data-engineer', email: 'eve@example.com', from: '18:00', until: '08:00' },
];

const channels = () => ({
  email: {
    name: 'mail',
    kind: 'email',
    host: '127.0.0.1',
    port: mail.port,
    requireTls: false,
    from: 'ReviewOps <ops@example.com>',
    user: 'reviewops',
  },
  slack: { name: 'slack', kind: 'slack' },
  webhook: { name: 'hook', kind: 'webhook', secretVariable: 'REVIEWOPS_WEBHOOK_SECRET' },
  sms: { name: 'sms', kind: 'sms' },
  pagerduty: { name: 'pd', kind: 'pagerduty', url: pagerduty.url },
});

const storeWith = (...names: (keyof ReturnType<typeof channels>)[]): IncidentStore =>
  world.store({ contacts, channels: names.map((name) => channels()[name]) });

const send = (store: IncidentStore, values = secrets) =>
  sendDue(store, outletsFor(store, values), { signal: never });

const nasty = 'Broken <!channel> *bold* <https://evil|x>\r\nBcc: all@example.com\u001b[2J';

describe('a P1', () => {
  it('reaches every channel in its own form, and no markup or header comes from what people wrote', async () => {
    const store = storeWith('email', 'slack', 'webhook', 'sms', 'pagerduty');
    const { id, state } = await openOne(store, { severity: 'P1', summary: nasty });
    expect(await send(store)).toMatchObject({ failed: 0, stuck: 0 });
    for (const peer of [slack, sms, pagerduty]) expect(peer.refused).toEqual([]);

    // The first call is support's, the second, at once, the data engineer's who is on call.
    expect(mail.mails.map(({ to }) => to)).toEqual([['ada@example.com'], ['bob@example.com']]);
    const [first] = mail.mails;
    const [head = ''] = first?.text.split('\r\n\r\n') ?? [];
    expect(head).not.toMatch(/^Bcc:/im);
    expect(first?.text).not.toContain('\u001b');
    expect(head).toMatch(/^Message-ID: <[0-9a-f]{32}@reviewops\.invalid>/im);

    expect(JSON.stringify(slack.received[0]?.body)).not.toContain('\\u001b');
    expect(slack.received[0]?.body).toMatchObject({
      text: expect.stringContaining('&lt;!channel&gt;'),
    });
    expect(sms.received.map(({ body }) => body)).toEqual([
      { to: ['+3312345'], text: expect.stringMatching(/^P1 #\d+: Broken/) },
    ]);
    const alert = `reviewops-${state.uid}`;
    expect(pagerduty.alerts.get(alert)).toBe('trigger');
    const [hook] = webhook.received;
    const body = hook?.body;
    const signature = createHmac('sha256', 'webhook-secret')
      .update(JSON.stringify(body))
      .digest('hex');
    expect(hook?.headers['x-reviewops-signature']).toBe(`sha256=${signature}`);
    expect(body).toMatchObject({ incidentId: id, kind: 'call', level: 'P1' });

    await act(store, id, { type: 'acknowledge' }, 'ada');
    await send(store);
    expect(pagerduty.alerts.get(alert)).toBe('acknowledge');
    await act(store, id, { type: 'resolve' }, 'ada');
    await send(store);
    expect(pagerduty.alerts.get(alert)).toBe('resolve');
    expect(await unsentMessages(store, 10)).toEqual([]);
  });

  it('calls who is on call at night', async () => {
    const store = storeWith('email');
    world.clock.now = new Date('2026-11-17T02:00:00Z');
    mail.mails.length = 0;
    const { id } = await openOne(store, { severity: 'P2' });
    await send(store);
    expect(mail.mails.map(({ to }) => to)).toEqual([['eve@example.com']]);
    await act(store, id, { type: 'resolve' }, 'ada');
    await send(store);
  });
});

describe('a channel that fails', () => {
  it('holds up neither the ticket nor the other channels, is tried again with growing pauses, and is told once', async () => {
    const store = storeWith('slack', 'webhook');
    const before = { slack: slack.received.length, webhook: webhook.received.length };
    slack.trouble = { status: 500 };
    const { id } = await openOne(store, { severity: 'P2' });
    expect(await send(store)).toEqual({ sent: 1, failed: 1, stuck: 0 });
    expect(webhook.received.length).toBe(before.webhook + 1);
    // Not due yet.
    expect(await send(store)).toEqual({ sent: 0, failed: 0, stuck: 0 });
    const waits: number[] = [];
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const [message] = await unsentMessages(store, 1);
      const due = Date.parse(message?.nextAttemptAt ?? '');
      waits.push((due - world.clock.now.getTime()) / 1000);
      expect(JSON.stringify(message)).not.toContain('secret');
      world.clock.now = new Date(due);
      await send(store);
    }
    expect(waits).toEqual([30, 60, 120, 240]);
    slack.trouble = undefined;
    world.later(60);
    await send(store);
    await send(store);
    expect(slack.received.length).toBe(before.slack + 1);
    await act(store, id, { type: 'resolve' }, 'ada');
    await send(store);
  });

  it('waits as long as it is asked to', async () => {
    const store = storeWith('slack');
    slack.trouble = { status: 429, retryAfter: 600 };
    const { id } = await openOne(store, { severity: 'P3' });
    await send(store);
    const [message] = await unsentMessages(store, 1);
    expect(Date.parse(message?.nextAttemptAt ?? '') - world.clock.now.getTime()).toBe(600_000);
    slack.trouble = undefined;
    world.later(10);
    await send(store);
    await act(store, id, { type: 'resolve' }, 'ada');
    await send(store);
  });

  it('does not pile up status messages that are out of date', async () => {
    const store = storeWith('slack');
    const { id } = await openOne(store, { severity: 'P1' });
    await send(store);
    await act(store, id, { type: 'acknowledge' }, 'ada');
    await send(store);
    slack.trouble = { status: 503 };
    for (let round = 0; round < 3; round += 1) {
      world.later(30);
      await escalateDue(store);
    }
    slack.trouble = undefined;
    const before = slack.received.length;
    world.later(1);
    await send(store);
    expect(slack.received.length).toBe(before + 1);
    await act(store, id, { type: 'resolve' }, 'ada');
    await send(store);
  });

  it('is stuck at once when it refuses for good, and after its attempts otherwise', async () => {
    const store = storeWith('email');
    mail.trouble = 554;
    const { id } = await openOne(store, { severity: 'P2' });
    expect(await send(store)).toMatchObject({ stuck: 1 });
    mail.trouble = undefined;
    await act(store, id, { type: 'resolve' }, 'ada');
    await send(store);
    const patient = world.store({ contacts, attempts: 2, channels: [channels().slack] });
    await openOne(patient, { severity: 'P2' });
    await send(patient, {});
    world.later(60);
    expect(await send(patient, {})).toEqual({ sent: 0, failed: 0, stuck: 1 });
    const stuck = (await unsentMessages(patient, 10)).filter(({ state }) => state === 'stuck');
    expect(stuck).toHaveLength(2);
  });
});

describe('a sender that dies', () => {
  it('between sending and noting it: the message goes out again under its key, and the receiver has it once', async () => {
    const store = storeWith('webhook');
    const before = webhook.received.length;
    webhook.refused.length = 0;
    await openOne(store, { severity: 'P2' });
    webhook.trouble = { cut: () => true };
    await send(store);
    webhook.trouble = undefined;
    expect(webhook.received.length).toBe(before + 1);
    world.later(10);
    await send(store);
    expect(webhook.received.length).toBe(before + 1);
    expect(webhook.refused).toHaveLength(1);
  });

  it('with its claim: nobody else sends before the claim is over, and then somebody does', async () => {
    const store = storeWith('webhook');
    const before = webhook.received.length;
    const { id } = await openOne(store, { severity: 'P2' });
    await world.client.execute(
      `UPDATE maintenance.incident_outbox SET state = 'sending', claimed_by = 'a dead one',
         attempts = 1, next_attempt_at = $2 WHERE incident_id = $1`,
      [id, new Date(world.clock.now.getTime() + 120_000)],
    );
    expect((await send(store)).sent).toBe(0);
    world.later(2);
    expect((await send(store)).sent).toBe(1);
    expect(webhook.received.length).toBe(before + 1);
  });

  it('never doubles what two send at once', async () => {
    const before = webhook.received.length;
    webhook.refused.length = 0;
    for (let count = 0; count < 5; count += 1)
      await openOne(storeWith('webhook'), { severity: 'P3' });
    const clients = await Promise.all([1, 2, 3].map(() => world.database.client()));
    await Promise.all(clients.map((client) => send({ ...storeWith('webhook'), client })));
    expect(webhook.received.length).toBe(before + 5);
    expect(webhook.refused).toEqual([]);
  });
});
