import { createHash } from 'node:crypto';
import type { ChannelSettings } from '../../config/incidents-schema.js';
import { errorMessage } from '../../system/errors.js';
import { SendFailure } from './http.js';
import { linesOf, oneLine, type SecretLookup, type Sender, titleOf } from './sender.js';

type EmailSettings = Extract<ChannelSettings, { kind: 'email' }>;

const timeout = 5_000;

/** One id for one message: a mailbox that gets it twice can tell. */
const idOf = (key: string): string =>
  `<${createHash('sha256').update(key).digest('hex').slice(0, 32)}@reviewops.invalid>`;

/** Mail over SMTP; all mails of an incident are one conversation. */
export function emailSender(settings: EmailSettings, secret: SecretLookup): Sender {
  return {
    send: async (notice) => {
      const { createTransport } = await import('nodemailer');
      const { host, port, secure, requireTls, user, passwordVariable } = settings;
      const password = user === undefined ? undefined : secret(passwordVariable);
      if (user !== undefined && password === undefined) {
        throw new SendFailure(`the variable ${passwordVariable} is not set`, false);
      }
      const transport = createTransport({
        host,
        port,
        secure,
        requireTLS: requireTls,
        connectionTimeout: timeout,
        greetingTimeout: timeout,
        socketTimeout: timeout,
        ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      const conversation = idOf(notice.uid);
      try {
        const sent = await transport.sendMail({
          from: settings.from,
          to: notice.recipients.map(({ name, email = '' }) => ({
            name: oneLine(name, 100),
            address: email,
          })),
          subject: titleOf(notice),
          text: `${linesOf(notice).join('\n')}\n`,
          messageId: idOf(notice.key),
          inReplyTo: conversation,
          references: conversation,
          date: new Date(notice.at),
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
        return { reference: sent.messageId };
      } catch (error) {
        throw failureOf(error);
      } finally {
        transport.close();
      }
    },
  };
}

/** 5xx answers of the server are final; a refused login may be put right at our end. */
function failureOf(error: unknown): SendFailure {
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  const permanent = responseCode !== undefined && responseCode >= 500 && code !== 'EAUTH';
  return new SendFailure(oneLine(errorMessage(error), 200), permanent);
}
