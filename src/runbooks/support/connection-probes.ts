import { z } from 'zod';
import type { DatabaseTarget } from '../../database/target.js';
import { isOperatorError } from '../../system/errors.js';
import type { Finding, StepContext } from '../engine/definition.js';
import { abridge } from './evidence.js';

/** What the runbook of the connection asks at each stage, and asks again for its proof. */

export const inputs = z.strictObject({});
export type Input = z.output<typeof inputs>;
type Context = StepContext<Input>;

/** The stages of a connection, in the order in which each needs the one before. */
const stages = ['url', 'server', 'dns', 'tcp', 'tls', 'login', 'role', 'schema'] as const;
type StageName = (typeof stages)[number];

export const isEmbedded = async ({ services }: Context): Promise<boolean> => {
  const url = await services.databaseUrl();
  return url === undefined || url.trim() === '';
};

/** True once all stages before have come out well; else which one has not. */
export const after =
  (stage: StageName) =>
  ({ results }: Context): true | string => {
    const broken = stages
      .slice(0, stages.indexOf(stage))
      .find((one) => ['critical', 'unknown'].includes(results[one]?.finding?.state ?? 'ok'));
    return broken === undefined ? true : `It needs ${broken}, which fails.`;
  };

export const statusOf = async ({ services }: Context) => {
  const { embeddedStatus } = await import('../../database/embedded/index.js');
  return embeddedStatus({ home: services.home });
};

/** The database without starting it: the embedded one only when it runs. */
export async function targetOf(context: Context): Promise<DatabaseTarget> {
  const url = await context.services.databaseUrl();
  if (url === undefined || url.trim() === '') return context.services.database();
  const { externalTarget } = await import('../../database/url.js');
  return { ...externalTarget(url), readOnly: true };
}

export async function addressOf(context: Context) {
  const { parseDatabaseUrl } = await import('../../database/url.js');
  return parseDatabaseUrl((await targetOf(context)).url);
}

export const probeOptions = ({ services, signal }: Context) => ({
  timeoutSeconds: services.config.database.connectTimeoutSeconds,
  signal,
});

/** What fails is critical, with its code as evidence: the next step is chosen by it. */
export async function orCritical(work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work();
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    return { state: 'critical', summary: error.message, evidence: { error: error.code } };
  }
}

/** The first stage that failed, leaving out how the embedded server stands. */
export const failing = ({ results }: Context): Finding | undefined =>
  stages
    .filter((stage) => stage !== 'server')
    .map((stage) => results[stage]?.finding)
    .find((finding) => finding?.state === 'critical');

/** What the role may do, and what of that it needs. */
export async function rightsFinding(context: Context): Promise<Finding> {
  const [{ probeRights }, { withClient }] = await Promise.all([
    import('../../diagnosis/login.js'),
    import('../../database/client.js'),
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
export async function schemaFinding(context: Context): Promise<Finding> {
  const [{ schemaState }, { withClient }] = await Promise.all([
    import('../../database/migrate.js'),
    import('../../database/client.js'),
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
