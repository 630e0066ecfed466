/**
 * Runs runbooks from commands. `runbook run` and commands that are faces of one runbook
 * (`db vacuum`, `batch purge`) go through the same code:
 *
 *     const report = await runRunbookCommand(context, 'vacuum', { tables }, flags);
 *     requireSuccess(report);
 *
 * `flags` are the answers of confirm.ts and `dryRun`. Refused, declined and interrupted runs throw;
 * one that succeeded, failed or waits is returned, with its exit code in `exitCode`.
 */

import type { Runbook } from '../runbooks/engine/definition.js';
import type { RunEvent } from '../runbooks/engine/events.js';
import { readJournal } from '../runbooks/engine/journal.js';
import { startOf } from '../runbooks/engine/restore.js';
import { endInterrupted } from '../runbooks/engine/run-lock.js';
import { type RunOptions, type RunReport, resumeRun, startRun } from '../runbooks/engine/runner.js';
import { synchronise } from '../runbooks/engine/synchronise.js';
import { ExitCode, errorMessage, invalid, OperatorError } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { reportRunbook } from './incident-signals.js';
import { answerFrom, type RunbookFlags } from './runbook-answers.js';
import { findRunbook } from './runbook-catalogue.js';
import { type CommandServices, servicesOf } from './runbook-services.js';
import { eventLine, showEvent, stoppedText } from './runbook-text.js';

export type { RunbookFlags } from './runbook-answers.js';

/** How long a runbook may take to reach its safe point after Ctrl-C, in seconds. */
const safePointSeconds = 60;

/** Starts a runbook, by id or as a definition, and sees it to its end. */
export async function runRunbookCommand(
  context: CommandContext,
  runbook: string | Runbook,
  input: object,
  flags: RunbookFlags = {},
): Promise<RunReport> {
  const definition = typeof runbook === 'string' ? await findRunbook(context, runbook) : runbook;
  const of = { incident: flags.incident, input: { ...input } };
  return perform(context, flags, of, (options) => startRun(definition, input, options));
}

/** Goes on with a run that was interrupted, failed or waits, or takes back what it did. */
export async function resumeRunbookCommand(
  context: CommandContext,
  runId: string,
  flags: RunbookFlags & { undo?: boolean } = {},
): Promise<RunReport> {
  const {
    runbook: id,
    incident,
    input,
  } = startOf((await readJournal(context.home, runId)).entries);
  const definition = await findRunbook(context, id);
  const { undo = false } = flags;
  const of = { incident: incident ?? undefined, input };
  return perform(context, flags, of, (options) =>
    resumeRun(definition, runId, { ...options, undo }),
  );
}

/** Throws the failure of a run that did not succeed; for faces whose result needs its success. */
export function requireSuccess({ error, resume }: RunReport): void {
  if (error === null) return;
  if (error.hint !== undefined || resume === null) throw error;
  throw new OperatorError(error.code, error.exitCode, error.message, {
    hint: `Go on with \`${resume}\`.`,
    cause: error,
  });
}

async function perform(
  context: CommandContext,
  flags: RunbookFlags,
  of: { incident: string | undefined; input: Record<string, unknown> },
  start: (options: RunOptions) => AsyncGenerator<RunEvent, RunReport>,
): Promise<RunReport> {
  if (flags.format === 'jsonl' && context.json) {
    throw invalid('USAGE_ERROR', '--format jsonl and --json exclude each other.', {
      hint: '--json gives one document at the end; --format jsonl one line for each event.',
    });
  }
  context.allowCleanUp(safePointSeconds);
  const services = await servicesOf(context);
  await findInterrupted(context);
  const { dryRun, readOnly, incident } = flags;
  const run = start({
    services,
    ask: answerFrom(context, { ...flags }),
    signal: context.signal,
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(incident === undefined ? {} : { incident }),
  });
  try {
    const report = await follow(context, flags, run);
    await reportRunbook(context, report, { ...of, dryRun: dryRun === true }, services.used());
    const stopped = ['refused', 'aborted', 'interrupted'].includes(report.state);
    if (stopped && report.exitCode !== ExitCode.done) throw outcome(report);
    return report;
  } finally {
    await copyJournals(context, services);
  }
}

async function follow(
  context: CommandContext,
  { format, dryRun }: RunbookFlags,
  run: AsyncGenerator<RunEvent, RunReport>,
): Promise<RunReport> {
  const showPlan = context.interactive && dryRun !== true;
  let report: RunReport | undefined;
  // Not for…of: the report is what the generator returns.
  try {
    while (report === undefined) {
      const next = await run.next();
      if (next.done === true) {
        report = next.value;
      } else {
        if (format === 'jsonl') await context.write(eventLine(next.value, context.now()));
        showEvent(context, next.value, showPlan);
      }
    }
    return report;
  } finally {
    // A face that fails stops the run at its next safe point.
    if (report === undefined) await run.return(undefined as never);
  }
}

/** The error of a run that was refused, declined or stopped. */
function outcome(report: RunReport): Error {
  const error = report.error ?? new Error(report.reason ?? report.state);
  if (report.state !== 'interrupted' || !(error instanceof OperatorError)) return error;
  return new OperatorError(error.code, error.exitCode, stoppedText(report), {
    hint: `Go on with \`${report.resume}\`.`,
    cause: error,
  });
}

async function findInterrupted({ home, now, signal, report }: CommandContext): Promise<void> {
  for (const runId of await endInterrupted(home, { now, signal })) {
    const message = `Run ${runId} was interrupted: its process is gone. \`reviewops runbook resume ${runId}\` goes on with it.`;
    report({ type: 'notice', message });
  }
}

/**
 * Copies the journals to the database while it is at hand. The run is over and its journal is
 * safe: nothing that goes wrong here may change how it ended.
 */
export async function copyJournals(
  context: CommandContext,
  services: CommandServices,
): Promise<void> {
  const target = services.used();
  if (target === undefined || context.signal.aborted) return;
  try {
    const { database: settings } = services.config;
    const options = { target, settings, now: context.now(), signal: context.signal };
    for (const runId of await synchronise(context.home, options)) {
      context.warn(
        `The database's copy of run ${runId} differs from its journal: one of them was changed.`,
      );
    }
  } catch (error) {
    if (context.verbose) {
      const message = `The journal will be copied to the database later: ${errorMessage(error)}`;
      context.report({ type: 'notice', message });
    }
  }
}
