import { randomBytes } from 'node:crypto';
import type { Lease } from '../../lake/lease.js';
import { invalid, refused } from '../../system/errors.js';
import { thisProcess } from '../../system/owner.js';
import { redactDeep } from '../../system/redact.js';
import type { Inputs, Json, JsonObject, Runbook } from './definition.js';
import type { RunEvent } from './events.js';
import { definitionHash } from './fingerprint.js';
import { Journal, requireRun } from './journal.js';
import type { RunOptions } from './options.js';
import { canonicalJson } from './plan.js';
import type { RunReport } from './report.js';
import { restore } from './restore.js';
import { requireRole } from './roles.js';
import { Run, type RunParts } from './run.js';
import { lockRun } from './run-lock.js';
import { markUnsynchronised } from './unsynchronised.js';
import { requireWindow } from './windows.js';

export type { RunOptions } from './options.js';
export type { RunReport } from './report.js';

/**
 * Starts a run. Yields every event as it happens; the journal has it by then.
 *
 * @throws INPUT_INVALID (exit 2), READ_ONLY_MODE, ROLE_MISSING, WINDOW_CLOSED (exit 3) before
 * anything is written
 */
export async function* startRun(
  runbook: Runbook,
  given: unknown,
  options: RunOptions,
): AsyncGenerator<RunEvent, RunReport> {
  const { services, signal } = options;
  const input = parseInput(runbook, given);
  requireHeld(runbook, options);
  if (runbook.risk !== 'read' && options.dryRun !== true) requirePermission(runbook, options);
  const { now, home } = services;
  const runId = newRunId(now());
  const definition = definitionHash(runbook, services.tool.version);
  const lock = await lockRun(home, runId, { now, signal });
  const first: RunEvent = {
    type: 'run.started',
    runId,
    runbook: runbook.id,
    title: runbook.title,
    definition,
    input,
    by: thisProcess(),
    dryRun: options.dryRun === true,
    incident: options.incident ?? null,
    tool: services.tool.version,
  };
  return yield* held(lock, first, async () => {
    await markUnsynchronised(home, runId);
    const journal = await Journal.create(home, runId, now);
    return { runbook, input, options, parts: { runId, journal, definition } };
  });
}

/**
 * Goes on with a run that was interrupted, failed or waits, at the first step not proven done; with
 * `undo` it takes back what its acts have done instead.
 *
 * @throws RUN_NOT_FOUND, JOURNAL_BROKEN, RUN_ENDED, RUN_ACTIVE, RUNBOOK_EDITED, READ_ONLY_MODE,
 * ROLE_MISSING
 */
export async function* resumeRun(
  runbook: Runbook,
  runId: string,
  options: RunOptions & { undo?: boolean },
): AsyncGenerator<RunEvent, RunReport> {
  const { services, signal, undo = false } = options;
  const { now, home } = services;
  await requireRun(home, runId);
  const definition = definitionHash(runbook, services.tool.version);
  const lock = await lockRun(home, runId, { now, signal });
  return yield* held(lock, { type: 'run.resumed', by: thisProcess() }, async () => {
    const { journal, entries } = await Journal.resume(home, runId, now);
    try {
      await markUnsynchronised(home, runId);
      const restored = restore(entries, definition, services.tool.version);
      const { dryRun } = restored.started;
      requireHeld(runbook, options);
      if (runbook.risk !== 'read' && !dryRun) requirePermission(runbook, options);
      const input = parseInput(runbook, restored.started.input);
      const parts = { runId, journal, definition, restored, undo };
      return { runbook, input, options: { ...options, dryRun }, parts };
    } catch (error) {
      await journal.close();
      throw error;
    }
  });
}

interface Prepared {
  runbook: Runbook;
  input: Inputs;
  options: RunOptions;
  parts: RunParts;
}

/** A run under its lock, which is given back however it ends. */
async function* held(
  lock: Lease,
  first: RunEvent,
  prepare: () => Promise<Prepared>,
): AsyncGenerator<RunEvent, RunReport> {
  try {
    const { runbook, input, options, parts } = await prepare();
    return yield* new Run(runbook, input, options, parts, lock.lost).stream(first);
  } finally {
    await lock.release();
  }
}

/** In read-only mode the session holds statements to looking; nothing holds a program to it. */
function requireHeld({ id, mayChange = [] }: Runbook, { readOnly }: RunOptions): void {
  if (readOnly !== true || mayChange.length === 0) return;
  throw refused(
    'READ_ONLY_MODE',
    `Nothing shows that ${mayChange.join(', ')} of runbook ${id} only look, and this session is read-only.`,
    {
      hint: 'Where their program or request changes nothing, say so in the file: readOnly: true. Else leave the read-only mode deliberately.',
    },
  );
}

function requirePermission(runbook: Runbook, { readOnly, services }: RunOptions): void {
  if (readOnly === true) {
    throw refused(
      'READ_ONLY_MODE',
      `Runbook ${runbook.id} changes something, and this session is read-only.`,
      { hint: 'Use --dry-run to see the plan, or leave the read-only mode deliberately.' },
    );
  }
  requireRole(runbook, thisProcess().user, services.config.operators);
  requireWindow(services.config.maintenanceWindows, runbook.id, services.now());
}

const newRunId = (now: Date): string => {
  const digits = now.toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15);
  return `run_${digits}_${randomBytes(3).toString('hex')}`;
};

/** The inputs, checked; plain data, so that a resumed run reads back what the first one had. */
function parseInput(runbook: Runbook, given: unknown): JsonObject {
  const result = runbook.inputs.safeParse(given);
  if (!result.success) {
    const problems = result.error.issues.map(
      (issue) => `${issue.path.join('.') || 'inputs'}: ${issue.message}`,
    );
    throw invalid(
      'INPUT_INVALID',
      `Runbook ${runbook.id} cannot take these inputs: ${problems.join('; ')}.`,
      { hint: `\`reviewops runbook show ${runbook.id}\` lists them.` },
    );
  }
  const input = JSON.parse(JSON.stringify(result.data)) as JsonObject;
  if (canonicalJson(input) !== canonicalJson(redactDeep(input) as Json)) {
    throw invalid('INPUT_HOLDS_SECRET', `An input of runbook ${runbook.id} is a secret.`, {
      hint: 'Inputs are journaled and shown. Give secrets through the environment or .env only.',
    });
  }
  return input;
}
