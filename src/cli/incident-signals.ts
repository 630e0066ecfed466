import type { DatabaseTarget } from '../database/target.js';
import type { CheckResult } from '../health/runner.js';
import type { Cause, FailedRun } from '../incidents/causes.js';
import type { Delivered } from '../incidents/spool.js';
import type { RunReport } from '../runbooks/engine/runner.js';
import { ExitCode, errorMessage, isOperatorError } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { outletsOf, withIncidents } from './incidents.js';

/**
 * Where incidents open by themselves: what failed goes to the spool first and to the database if it
 * is at hand. The command has ended by then; nothing here changes how.
 */

/** How long the database is waited for; it may be the very thing that is down. */
const connectSeconds = 3;

const system = 'reviewops';

/** A run of the pipeline that failed. */
export const reportFailedRun = (context: CommandContext, run: FailedRun): Promise<void> =>
  quietly(context, async () => {
    const { openFrom, severities } = (await context.config()).incidents;
    const { causeOfRun, isFailure } = await import('../incidents/causes.js');
    if (!openFrom.pipeline || context.signal.aborted || !isFailure(run.error)) return;
    await record(context, [causeOfRun(run, severities)]);
  });

/** A run of the pipeline that succeeded: what failed before no longer does. */
export const reportGoodRun = (context: CommandContext, batchId: string): Promise<void> =>
  quietly(context, async () => {
    const { pipelineCheck } = await import('../incidents/causes.js');
    await recordGone(context, [{ check: pipelineCheck, summary: `batch ${batchId} succeeded` }]);
  });

/** What a runbook came to: with its incident when it has one, an incident of its own when it failed. */
export const reportRunbook = (
  context: CommandContext,
  report: RunReport,
  run: { incident: string | undefined; dryRun: boolean; input: Record<string, unknown> },
  used: DatabaseTarget | undefined,
): Promise<void> =>
  quietly(context, async () => {
    if (run.dryRun) return;
    const { spoolRun } = await import('../incidents/spool.js');
    const { runId, runbook, state, error } = report;
    const number = /^#?(\d{1,9})$/.exec(run.incident ?? '')?.[1];
    if (number !== undefined) {
      const summary =
        report.reason ?? report.steps.findLast((step) => step.summary !== '')?.summary;
      await spoolRun(context.home, context.now(), Number(number), {
        type: 'runbook',
        runId,
        runbook,
        state,
        summary: summary ?? '',
      });
      await deliverIncidents(context, used);
      return;
    }
    const { openFrom, severities } = (await context.config()).incidents;
    const { causeOfRunbook, isFailure } = await import('../incidents/causes.js');
    if (!openFrom.runbooks || state !== 'failed' || !isFailure(error)) return;
    await record(
      context,
      [causeOfRunbook({ runId, runbook, input: run.input, error }, severities)],
      used,
    );
  });

/** What health found, and what it finds no more. `wake`: a connection may be made. */
export const reportHealth = (
  context: CommandContext,
  checks: readonly CheckResult[],
  wake: boolean,
): Promise<void> =>
  quietly(context, async () => {
    const { openFrom, severities } = (await context.config()).incidents;
    if (openFrom.health === 'never') return;
    const { causesOfHealth } = await import('../incidents/causes.js');
    const causes = causesOfHealth(checks, openFrom.health, severities);
    const database = checks.find(({ name }) => name === 'database');
    // A watch that lets serverless compute sleep made no connection; neither is one made here.
    const asleep = checks.some(({ name, state }) => name === 'incidents' && state === 'skipped');
    const up = database === undefined || database.state !== 'critical';
    const reachable = wake && !asleep && up;
    const target = reachable ? await atHand(context) : undefined;
    await record(context, await unspooled(context, causes), target, reachable);
    const gone = checks.filter(({ state }) => state === 'ok');
    const open = checks.find(({ name }) => name === 'incidents')?.evidence.open;
    if (target === undefined || gone.length === 0 || open === 0) return;
    await recordGone(
      context,
      gone.map(({ name: check, summary }) => ({ check, summary })),
    );
  });

/** A check that looks every five minutes fills no spool with the same finding. */
async function unspooled(context: CommandContext, causes: Cause[]): Promise<Cause[]> {
  const { readSpool } = await import('../incidents/spool.js');
  const waiting = new Set(
    (await readSpool(context.home)).map((entry) =>
      entry.kind === 'signal' ? entry.signal.occurrence.cause : undefined,
    ),
  );
  return causes.filter(({ occurrence }) => !waiting.has(occurrence.cause));
}

async function record(
  context: CommandContext,
  causes: readonly Cause[],
  used?: DatabaseTarget,
  wake = true,
): Promise<void> {
  if (causes.length === 0) return;
  const { spoolSignal } = await import('../incidents/spool.js');
  for (const cause of causes) {
    await spoolSignal(context.home, { at: context.now(), by: system, ...cause });
  }
  const target = used ?? (wake ? await atHand(context) : undefined);
  const delivered = await deliverIncidents(context, target);
  for (const { incident, outcome } of delivered?.recorded ?? []) {
    if (outcome === 'still' || outcome === 'known') continue;
    const verb = outcome === 'occurred' ? 'has it again' : `was ${outcome}`;
    context.report({
      type: 'notice',
      message: `Incident ${incident.id} (${incident.state.severity}) ${verb}: reviewops incident show ${incident.id}`,
    });
  }
}

async function recordGone(
  context: CommandContext,
  checks: { check: string; summary: string }[],
): Promise<void> {
  const target = await atHand(context);
  if (target === undefined) return;
  const { recordRecoveries } = await import('../incidents/signals.js');
  const at = context.now();
  await withIncidents(
    context,
    (store) => recordRecoveries(store, { id: at.toISOString(), at, checks }),
    { target, connectTimeoutSeconds: connectSeconds },
  );
}

/** The database if it is there without being started for the purpose. */
async function atHand(context: CommandContext): Promise<DatabaseTarget | undefined> {
  const { databaseUrl } = await context.secrets();
  if (databaseUrl === undefined) {
    const { embeddedStatus } = await import('../database/embedded/status.js');
    if (!(await embeddedStatus({ home: context.home })).running) return undefined;
  }
  return context.database();
}

/**
 * Hands over what waits on this machine; without a database it tells the channels from here.
 * Undefined when the database could not be reached.
 */
export async function deliverIncidents(
  context: CommandContext,
  target: DatabaseTarget | undefined,
): Promise<Delivered | undefined> {
  if (target !== undefined) {
    try {
      return await withIncidents(context, async (_store, delivered) => delivered, {
        target,
        connectTimeoutSeconds: connectSeconds,
      });
    } catch (error) {
      if (context.verbose) {
        context.report({ type: 'notice', message: `No database: ${errorMessage(error)}` });
      }
    }
  }
  context.warn(
    'The incident is kept on this machine until the database can be reached; the next command delivers it.',
  );
  await tellFromHere(context);
  return undefined;
}

/** Tells the channels of incidents that only this machine knows of. */
export async function tellFromHere(
  context: CommandContext,
): Promise<{ sent: number; failed: number }> {
  const { incidents: config } = await context.config();
  const none = { sent: 0, failed: 0 };
  if (config.channels.length === 0) return none;
  const { notifyLocally } = await import('../incidents/local.js');
  const { now, signal, home } = context;
  return (await notifyLocally(home, await outletsOf(context), { config, now, signal })) ?? none;
}

/** Recording what failed must not hide it behind a failure of its own. */
async function quietly(context: CommandContext, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    // Whoever stops a command knows that this is not done: the next run says it.
    if (isOperatorError(error) && error.exitCode === ExitCode.interrupted) return;
    context.warn(`The incident could not be recorded: ${errorMessage(error)}`);
  }
}
