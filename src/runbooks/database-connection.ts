import { defineRunbook } from './engine/definition.js';
import { connectionChecks } from './support/connection-checks.js';
import { connectionCures } from './support/connection-cures.js';
import {
  failing,
  inputs,
  isEmbedded,
  orCritical,
  rightsFinding,
  schemaFinding,
  statusOf,
  targetOf,
} from './support/connection-probes.js';
import { jobOf } from './support/context.js';

export default defineRunbook({
  module: import.meta.url,
  id: 'database-connection',
  title: 'No connection to the database',
  summary:
    'Goes the way of a connection step by step (URL, server, DNS, TCP, TLS, login, rights, schema), shows where it ends and why, starts the embedded server when that is all, and says in plain words what somebody else has to do.',
  symptoms: [
    'connection refused',
    'cannot connect to the database',
    'database connection impossible',
    'database is down',
    'password authentication failed',
    'could not translate host name',
    'connection timed out',
    'timeout expired',
    'SSL connection required',
    'no pg_hba.conf entry',
    'certificate verify failed',
    'too many connections',
    'database does not exist',
    'permission denied for schema amazon',
    'permission denied for table',
    'ECONNREFUSED',
    'ENOTFOUND',
    'DATABASE_UNREACHABLE',
    'DATABASE_PASSWORD_REJECTED',
    'server stopped',
  ],
  tags: ['database', 'connection', 'network', 'tls', 'credentials'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
  inputs,
  targets: () => ['database=server'],
  steps: [
    ...connectionChecks,
    {
      kind: 'plan',
      id: 'plan',
      title: 'What can be cured from here?',
      why: 'Only the embedded server is ours to start. Everything else is somebody else’s to cure, and named below.',
      manual: () => 'reviewops local start --dry-run',
      run: async (context) => {
        const stopped = (await isEmbedded(context)) && !(await statusOf(context)).running;
        return {
          summary: stopped ? 'Start the embedded server.' : 'There is nothing to start.',
          targets: stopped
            ? [
                {
                  type: 'server',
                  name: 'embedded',
                  action: 'reviewops local start',
                  state: { running: false },
                },
              ]
            : [],
          totals: { servers: stopped ? 1 : 0 },
          notes: stopped ? ['After a crash the server repairs itself first, from its log.'] : [],
        };
      },
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the start',
      why: 'Somebody may have stopped it on purpose, for a backup or a repair.',
      manual: () => 'reviewops local start',
      name: () => 'embedded',
      question: ({ plan }) => plan?.summary ?? 'Start it?',
    },
    {
      kind: 'act',
      id: 'start',
      title: 'Start the embedded server',
      why: 'It keeps running when this command has ended, for the others.',
      manual: () => 'reviewops local start',
      timeout: 900,
      run: async (context) => {
        const { ensureEmbedded } = await import('../database/embedded/index.js');
        const { config, home } = context.services;
        const { description } = await ensureEmbedded({ home, config, ...jobOf(context) });
        return { description };
      },
      verify: async (context) => {
        const { running, port, state } = await statusOf(context);
        return {
          done: running,
          summary: running ? `It runs on port ${port}.` : `It is ${state}.`,
        };
      },
    },
    {
      kind: 'manual',
      id: 'outside',
      title: 'Have it cured where it can be cured',
      why: 'What is left is not ours to change from here: a network, a password, a right. The words say whom to ask for what.',
      manual: () => 'reviewops db ping',
      when: (context) =>
        failing(context) === undefined ? 'Nothing is left for somebody else.' : true,
      instruction: (context) => {
        const finding = failing(context);
        const code = String(finding?.evidence?.error ?? '');
        const cure =
          connectionCures[code] ??
          'See the message, the log of the server and `reviewops db ping`.';
        return `${finding?.summary ?? ''} ${cure}`.trim();
      },
    },
    {
      kind: 'check',
      id: 'prove',
      title: 'Does the connection work now?',
      why: 'A connection of its own, all the way to a query: the only proof there is.',
      manual: () => 'reviewops db ping',
      must: true,
      timeout: 120,
      run: (context) =>
        orCritical(async () => {
          const { probeLogin } = await import('../diagnosis/login.js');
          const { services, signal } = context;
          const settings = services.config.database;
          if ((await isEmbedded(context)) && !(await statusOf(context)).running) {
            return { state: 'critical', summary: 'The embedded server does not run.' };
          }
          const { role, server } = await probeLogin(await targetOf(context), { settings, signal });
          const rights = await rightsFinding(context);
          if (rights.state === 'critical') return rights;
          return { state: 'ok', summary: `It does: ${role} on PostgreSQL ${server}.` };
        }),
    },
    {
      kind: 'branch',
      id: 'tables',
      title: 'Do tables have to be made?',
      why: 'The connection is good then, and the next runbook makes the tables.',
      manual: () => 'reviewops db init',
      choose: async (context) => {
        const { state } = (await schemaFinding(context)).evidence ?? {};
        return state === 'current'
          ? undefined
          : {
              to: 'runbook',
              runbook: 'relation-not-found',
              input: {},
              why: `The connection works; the schema is ${String(state)}.`,
            };
      },
    },
  ],
});
