import {
  type CredentialKind,
  readRotation,
  readRotationState,
  writeRotation,
} from '../credentials/record.js';
import { listRuns } from '../runbooks/engine/history.js';
import type { RunReport } from '../runbooks/engine/runner.js';
import { invalid } from '../system/errors.js';
import { registerSecret } from '../system/redact.js';
import type { CommandContext } from './context.js';
import { type RunbookFlags, resumeRunbookCommand, runRunbookCommand } from './runbook-command.js';

export interface RotationChoice {
  continue: boolean;
  undo: boolean;
  /** Ends the sessions of the old login when it is locked. */
  endSessions?: boolean;
}

const runbooks: Record<CredentialKind, readonly string[]> = {
  aws: ['rotate-aws'],
  database: ['rotate-database', 'rotate-password'],
};

/** Starts a rotation, goes on with it, or takes it back. */
export async function rotate(
  context: CommandContext,
  kind: CredentialKind,
  choice: RotationChoice,
  flags: RunbookFlags,
): Promise<RunReport> {
  const { endSessions = false } = choice;
  if (choice.continue || choice.undo) {
    const runId = await underWay(context, kind);
    if (endSessions) await allowEndingSessions(context, kind);
    return resumeRunbookCommand(context, runId, { ...flags, undo: choice.undo });
  }
  const alternating = (await context.config()).credentials.database.mode === 'alternating';
  if (kind === 'aws') return runRunbookCommand(context, 'rotate-aws', {}, flags);
  return alternating
    ? runRunbookCommand(context, 'rotate-database', { endSessions }, flags)
    : runRunbookCommand(context, 'rotate-password', {}, flags);
}

/** @throws NO_ROTATION (exit 2) */
async function underWay(context: CommandContext, kind: CredentialKind): Promise<string> {
  const state = await readRotationState(context.home, kind);
  if (state !== undefined) return state.runId;
  // A run that waits for its approval, or took back what it began, has no record.
  const { runs } = await listRuns(context.home, { now: context.now(), limit: 100 });
  const last = runs.find(({ runbook, dryRun }) => runbooks[kind].includes(runbook) && !dryRun);
  if (last !== undefined && ['waiting', 'failed', 'interrupted'].includes(last.state)) {
    return last.runId;
  }
  throw invalid('NO_ROTATION', `No rotation of ${kind} is under way here.`, {
    hint: `Start one: reviewops credentials rotate ${kind} --dry-run`,
  });
}

async function allowEndingSessions(context: CommandContext, kind: CredentialKind): Promise<void> {
  const rotation = await readRotation(context.home, kind, registerSecret);
  if (rotation === undefined || rotation.endSessions) return;
  await writeRotation(context.home, { ...rotation, endSessions: true });
}
