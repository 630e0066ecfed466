import { createHmac } from 'node:crypto';
import type { ChannelSettings } from '../../config/incidents-schema.js';
import { request, requestJson, SendFailure } from './http.js';
import { linesOf, oneLine, type SecretLookup, type Sender, titleOf } from './sender.js';

type Settings<Kind extends ChannelSettings['kind']> = Extract<ChannelSettings, { kind: Kind }>;

/** The value of a variable that a channel cannot do without. @throws SendFailure */
export function required(secret: SecretLookup, name: string): string {
  const value = secret(name);
  if (value === undefined) throw new SendFailure(`the variable ${name} is not set`, false);
  return value;
}

/** An address from a variable. @throws SendFailure */
function address(secret: SecretLookup, name: string): string {
  const value = required(secret, name);
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) {
    throw new SendFailure(`the variable ${name} is no http(s) address`, false);
  }
  return value;
}

/** The three characters that Slack's markup gives a meaning to: no mention comes from data. */
const slackEscape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Slack's incoming webhook. What people wrote goes into plain-text blocks, which have no markup. */
export function slackSender({ urlVariable }: Settings<'slack'>, secret: SecretLookup): Sender {
  return {
    send: async (notice, signal) => {
      const title = titleOf(notice);
      const plain = (text: string) => ({ type: 'plain_text', text, emoji: false });
      await request({
        url: address(secret, urlVariable),
        headers: { 'idempotency-key': notice.key },
        body: {
          text: slackEscape(title),
          mrkdwn: false,
          blocks: [
            { type: 'header', text: plain(oneLine(title, 150)) },
            { type: 'section', text: plain(linesOf(notice).join('\n').slice(0, 3_000)) },
          ],
        },
        signal,
      });
      return { reference: null };
    },
  };
}

/** Any receiver: the notice as JSON, signed where a secret is shared. */
export function webhookSender(settings: Settings<'webhook'>, secret: SecretLookup): Sender {
  return {
    send: async (notice, signal) => {
      const { urlVariable, secretVariable } = settings;
      const signature =
        secretVariable === undefined
          ? {}
          : {
              'x-reviewops-signature': `sha256=${createHmac('sha256', required(secret, secretVariable)).update(JSON.stringify(notice)).digest('hex')}`,
            };
      await request({
        url: address(secret, urlVariable),
        headers: { 'idempotency-key': notice.key, ...signature },
        body: notice,
        signal,
      });
      return { reference: null };
    },
  };
}

/** A text message through the webhook of a provider. */
export function smsSender(settings: Settings<'sms'>, secret: SecretLookup): Sender {
  return {
    send: async (notice, signal) => {
      await request({
        url: address(secret, settings.urlVariable),
        headers: {
          authorization: `Bearer ${required(secret, settings.tokenVariable)}`,
          'idempotency-key': notice.key,
        },
        body: {
          to: notice.recipients.flatMap(({ phone }) => phone ?? []),
          text: oneLine(`${titleOf(notice)} - ${notice.text}`, 300),
        },
        signal,
      });
      return { reference: null };
    },
  };
}

const urgency = { P1: 'critical', P2: 'error', P3: 'warning', P4: 'info' } as const;

const actions: Partial<Record<string, 'acknowledge' | 'resolve'>> = {
  acknowledged: 'acknowledge',
  resolved: 'resolve',
};

/** PagerDuty's Events API v2: one alert for an incident, whatever is sent of it. */
export function pagerdutySender(settings: Settings<'pagerduty'>, secret: SecretLookup): Sender {
  return {
    send: async (notice, signal) => {
      const action = actions[notice.kind] ?? 'trigger';
      const answer = await requestJson<{ dedup_key?: string }>({
        url: `${settings.url.replace(/\/$/, '')}/v2/enqueue`,
        body: {
          routing_key: required(secret, settings.keyVariable),
          event_action: action,
          dedup_key: `reviewops-${notice.uid}`,
          ...(action === 'trigger' ? { payload: payloadOf(notice) } : {}),
        },
        signal,
      });
      return { reference: answer.dedup_key ?? null };
    },
  };
}

const payloadOf = (notice: Parameters<Sender['send']>[0]) => ({
  summary: oneLine(titleOf(notice), 1_024),
  source: 'reviewops',
  severity: urgency[notice.level ?? 'P3'],
  timestamp: notice.at,
  custom_details: {
    incident: notice.incidentId,
    status: notice.status,
    text: oneLine(notice.text, 1_000),
    next: notice.next,
    called: notice.recipients.map(({ name }) => name),
  },
});
