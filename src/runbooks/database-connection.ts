import { z } from 'zod';
import type { DatabaseTarget } from '../database/target.js';
import { isOperatorError } from '../system/errors.js';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import { jobOf } from './support/context.js';
import { abridge } from './support/evidence.js';

const inputs = z.strictObject({});
type Context = StepContext<z.output<typeof inputs>>;

/** The stages of a connection, in the order in which each needs the one before. */
const stages = ['url', 'server', 'dns', 'tcp', 'tls', 'login', 'role', 'schema'] as const;
type StageName = (typeof stages)[number];

const isEmbedded = async ({ services }: Context): Promise<boolean> => {
  const url = await services.databaseUrl();
  return url === undefined || url.trim() === '';
};

/** True once all stages before have come out well; else which one has not. */
const after =
  (stage: StageName) =>
  ({ results }: Context): true | string => {
    const broken = stages
      .slice(0, stages.indexOf(stage))
      .find((one) => ['critical', 'unknown'].includes(results[one]?.finding?.state ?? 'ok'));
    return broken === undefined ? true : `It needs ${broken}, which fails.`;
  };

const statusOf = async ({ services }: Context) => {
  const { embeddedStatus } = await import('../database/embedded/index.js');
  return embeddedStatus({ home: services.home });
};

/** The database without starting it: the embedded one only when it runs. */
async function targetOf(context: Context): Promise<DatabaseTarget> {
  const url = await context.services.databaseUrl();
  if (url === undefined || url.trim() === '') return context.services.database();
  const { externalTarget } = await import('../database/url.js');
  return { ...externalTarget(url), readOnly: true };
}

async function addressOf(context: Context) {
  const { parseDatabaseUrl } = await import('../database/url.js');
  return parseDatabaseUrl((await targetOf(context)).url);
}

const probeOptions = ({ services, signal }: Context) => ({
  timeoutSeconds: services.config.database.connectTimeoutSeconds,
  signal,
});

/** What fails is critical, with its code as evidence: the next step is chosen by it. */
async function orCritical(work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work();
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    return { state: 'critical', summary: error.message, evidence: { error: error.code } };
  }
}

/** What a person has to do for each failure that cannot be cured from here. */
const cures: Record<string, string> = {
  DATABASE_URL_INVALID:
    'Correct NEON_DB_URL (environment or .env): postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=require. `reviewops config check` says what is wrong with it.',
  DATABASE_TLS_REQUIRED: 'Add ?sslmode=require (better: verify-full) to NEON_DB_URL.',
  DATABASE_HOST_UNKNOWN:
    'Compare the host in NEON_DB_URL with the one in the console of the provider, letter by letter. If it is right, this machine has no working DNS: check /etc/resolv.conf and the VPN.',
  DATABASE_PORT_CLOSED:
    'Ask whoever runs the server whether it is up and listens on that port, and whoever runs the network to let this machine through to it (outgoing TCP, usually 5432). On Neon, look at the status page and whether the project was suspended or deleted.',
  DATABASE_TLS_MISSING:
    'Check that host and port are those of the PostgreSQL server, not of something in between; at the server turn TLS on (ssl = on). Do not work around it with sslmode=disable.',
  DATABASE_CERTIFICATE_REJECTED:
    'Check that this is the right server; then name the authority of its certificate with sslrootcert=FILE, or have the certificate renewed.',
  DATABASE_PASSWORD_REJECTED:
    'The password is wrong, or it was reset: a reset kills the old one at once. Take the present one from the password store or make a new one at the provider, put it into .env as NEON_DB_URL (never on a command line), and run this again.',
  DATABASE_LOGIN_REJECTED:
    'The server refuses this role from this machine: check the role, that it may log in (ALTER ROLE … LOGIN) and is still valid (VALID UNTIL), and pg_hba.conf.',
  DATABASE_NOT_FOUND:
    'Correct the database name at the end of NEON_DB_URL; `psql -l` with the same role lists those that exist.',
  DATABASE_TOO_MANY_CONNECTIONS:
    'End idle sessions (SELECT pid, usename, state, state_change FROM pg_stat_activity ORDER BY state_change; then pg_terminate_backend(pid)), or lower pipeline.parallelism.',
  RIGHTS_MISSING:
    'Have an administrator grant what is missing: GRANT USAGE ON SCHEMA … TO role; GRANT SELECT ON ALL TABLES IN SCHEMA … TO role; the serving table must belong to a role that the loading role is a member of.',
};

const failing = ({ results }: Context): Finding | undefined =>
  stages
    .filter((stage) => stage !== 'server')
    .map((stage) => results[stage]?.finding)
    .find((finding) => finding?.state === 'critical');

/** What the role may do, and what of that it needs. */
async function rightsFinding(context: Context): Promise<Finding> {
  const [{ probeRights }, { withClient }] = await Promise.all([
    import('../diagnosis/connection.js'),
    import('../database/client.js'),
  ]);
  const { config } = context.services;
  const options = {
    purpose: 'rights probe',
    settings: config.database,
    signal: context.signal,
    readOnly: true,
  };
  const rights = await withClient(await targetOf(context), options, (client) =>
    probeRights(client, config),
  );
  const { role, closedSchemas, unreadable, cannotWrite } = rights;
  const missing = [
    ...closedSchemas.map((name) => `USAGE on schema ${name}`),
    ...unreadable.map((name) => `SELECT on ${name}`),
  ];
  if (missing.length > 0) {
    return {
      state: 'critical',
      summary: `The role ${role} lacks ${abridge(missing)}.`,
      evidence: { ...rights, error: 'RIGHTS_MISSING' },
    };
  }
  return cannotWrite.length > 0
    ? {
        state: 'warning',
        summary: `The role ${role} may read everything and cannot load (${abridge(cannotWrite)}); that is right for an analyst and wrong for the pipeline.`,
        evidence: { ...rights },
      }
    : {
        state: 'ok',
        summary: `The role ${role} may do all of it.`,
        evidence: { ...rights },
      };
}

/** Whether the tables are there, and of this version. */
async function schemaFinding(context: Context): Promise<Finding> {
  const [{ schemaState }, { withClient }] = await Promise.all([
    import('../database/migrate.js'),
    import('../database/client.js'),
  ]);
  const { config } = context.services;
  const options = { purpose: 'schema', settings: config.database, readOnly: true };
  const state = await withClient(
    await targetOf(context),
    { ...options, signal: context.signal },
    (client) => schemaState(client, config),
  );
  return {
    state: state === 'current' ? 'ok' : 'warning',
    summary: `The schema is ${state}.`,
    evidence: { state },
  };
}

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
        const { needsDns } = await import('../diagnosis/connection.js');
        const { host } = await addressOf(context);
        return needsDns(host) ? true : `${host} is an address already.`;
      },
      timeout: 60,
      run: (context) =>
        orCritical(async () => {
          const { resolveHost } = await import('../diagnosis/connection.js');
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
          const { probeTcp } = await import('../diagnosis/connection.js');
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
          const { probeTls } = await import('../diagnosis/connection.js');
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
          const { probeLogin } = await import('../diagnosis/connection.js');
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
          cures[code] ?? 'See the message, the log of the server and `reviewops db ping`.';
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
          const { probeLogin } = await import('../diagnosis/connection.js');
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
