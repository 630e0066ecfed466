import type { CheckStep, Finding } from '../engine/definition.js';
import {
  addressOf,
  after,
  type Input,
  isEmbedded,
  orCritical,
  probeOptions,
  rightsFinding,
  schemaFinding,
  statusOf,
  targetOf,
} from './connection-probes.js';
import { abridge } from './evidence.js';

/** The way of a connection, stage by stage: each is looked at once the one before came out well. */
export const connectionChecks: readonly CheckStep<Input>[] = [
  {
    kind: 'check',
    id: 'url',
    title: 'Which database is it?',
    why: 'NEON_DB_URL chooses the database; without it, it is the embedded server. A URL that cannot be read is refused before anything is reached.',
    manual: () => 'reviewops config show',
    run: (context) =>
      orCritical(async () => {
        if (await isEmbedded(context)) {
          return {
            state: 'ok',
            summary: 'NEON_DB_URL is not set: it is the embedded server.',
            evidence: { kind: 'embedded' },
          };
        }
        const { endpoint, description } = await targetOf(context);
        return {
          state: 'ok',
          summary: `It is ${description} (${endpoint}).`,
          evidence: { kind: 'external', endpoint, description },
        };
      }),
  },
  {
    kind: 'check',
    id: 'server',
    title: 'Does the embedded server run?',
    why: 'It is started on demand and stopped with the machine. Its own pid file and the process behind it tell.',
    manual: () => 'reviewops local status',
    when: async (context) =>
      (await isEmbedded(context)) ? true : 'The server is not run from here.',
    run: (context) =>
      orCritical(async () => {
        const { running, state, port, pid, logFile } = await statusOf(context);
        const evidence = { state, port, pid, logFile };
        return running
          ? { state: 'ok', summary: `It runs on port ${port} (pid ${pid}).`, evidence }
          : {
              state: 'critical',
              summary: `It is ${state}.${logFile === null ? '' : ` Its log: ${logFile}`}`,
              evidence,
            };
      }),
  },
  {
    kind: 'check',
    id: 'dns',
    title: 'DNS: does the name have an address?',
    why: 'A name that nobody knows is mistyped, or the name server does not answer. Nothing else can be tried before.',
    manual: () => 'getent hosts HOST   # HOST from NEON_DB_URL',
    when: async (context) => {
      const before = after('dns')(context);
      if (before !== true) return before;
      const { needsDns } = await import('../../diagnosis/network.js');
      const { host } = await addressOf(context);
      return needsDns(host) ? true : `${host} is an address already.`;
    },
    timeout: 60,
    run: (context) =>
      orCritical(async () => {
        const { resolveHost } = await import('../../diagnosis/network.js');
        const { host } = await addressOf(context);
        const { addresses, milliseconds } = await resolveHost(host);
        return {
          state: 'ok',
          summary: `${host} is ${abridge(addresses)} (${milliseconds} ms).`,
          evidence: { host, addresses, milliseconds },
        };
      }),
  },
  {
    kind: 'check',
    id: 'tcp',
    title: 'TCP: does something listen there?',
    why: '"Refused" comes at once and means that the machine is there and the server is not. Silence until the time limit means a firewall.',
    manual: () => 'nc -vz HOST 5432',
    when: after('tcp'),
    timeout: 120,
    run: (context) =>
      orCritical(async () => {
        const { probeTcp } = await import('../../diagnosis/network.js');
        const probe = await probeTcp(await addressOf(context), probeOptions(context));
        return {
          state: 'ok',
          summary: `${probe.remote} accepts connections (${probe.milliseconds} ms).`,
          evidence: { ...probe },
        };
      }),
  },
  {
    kind: 'check',
    id: 'tls',
    title: 'TLS: is it encrypted, and with whom?',
    why: 'Off this machine nothing travels unencrypted. The certificate says who answers, and until when it is valid.',
    manual: () => 'openssl s_client -starttls postgres -connect HOST:5432 </dev/null',
    when: after('tls'),
    timeout: 120,
    run: (context) =>
      orCritical(async (): Promise<Finding> => {
        const { probeTls } = await import('../../diagnosis/network.js');
        const probe = await probeTls(await addressOf(context), {
          ...probeOptions(context),
          now: context.services.now(),
        });
        if (probe === undefined) {
          return {
            state: 'ok',
            summary: 'Not needed: it does not leave this machine.',
            evidence: { on: false },
          };
        }
        const evidence = { on: true, ...probe };
        return probe.daysLeft < 14
          ? {
              state: 'warning',
              summary: `${probe.version}, but the certificate of ${probe.subject} ends in ${probe.daysLeft} days.`,
              evidence,
            }
          : {
              state: 'ok',
              summary: `${probe.version}, certificate of ${probe.subject} by ${probe.issuer}, ${probe.daysLeft} days left.`,
              evidence,
            };
      }),
  },
  {
    kind: 'check',
    id: 'login',
    title: 'Login: does it take role, password and database?',
    why: 'The server answers, so what is left is who we are. The password itself is never shown here, right or wrong.',
    manual: () => `psql "$NEON_DB_URL" -c 'SELECT current_user'`,
    when: after('login'),
    timeout: 120,
    run: (context) =>
      orCritical(async (): Promise<Finding> => {
        const { probeLogin } = await import('../../diagnosis/login.js');
        const { services, signal } = context;
        const settings = services.config.database;
        const probe = await probeLogin(await targetOf(context), { settings, signal });
        const full = probe.connections > 0.8 * probe.maxConnections;
        const standby = probe.standby ? ' It is a standby and takes no writes.' : '';
        const used = `${probe.connections} of ${probe.maxConnections} connections`;
        return {
          state: full || probe.standby ? 'warning' : 'ok',
          summary: `Logged in as ${probe.role} (PostgreSQL ${probe.server}, ${used}).${standby}`,
          evidence: { ...probe },
        };
      }),
  },
  {
    kind: 'check',
    id: 'role',
    title: 'Rights: may the role do its work?',
    why: 'A role that may log in but not read looks like an empty database to some tools, and like "permission denied" to others.',
    manual: () => `psql "$NEON_DB_URL" -c '\\dp amazon.*'`,
    when: after('role'),
    run: (context) => orCritical(() => rightsFinding(context)),
  },
  {
    kind: 'check',
    id: 'schema',
    title: 'Schema: are the tables there, of this version?',
    why: 'The last thing that looks like a broken connection: the database is the right one and empty.',
    manual: () => 'reviewops db ping',
    when: after('schema'),
    run: (context) => orCritical(() => schemaFinding(context)),
  },
];
