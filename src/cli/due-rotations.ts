import type { CredentialKind } from '../credentials/record.js';
import type { StatusReport } from '../credentials/status.js';
import { ExitCode, isOperatorError } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { rotate } from './rotation-command.js';
import type { RunbookFlags } from './runbook-command.js';

/** What was done about one kind of credential. */
export interface DueRotation {
  kind: CredentialKind;
  action: 'none' | 'started' | 'continued' | 'waits';
  /** State of its run; null where there was none. */
  state: string | null;
  runId: string | null;
  reason: string | null;
  /** When it can go on; ISO 8601. */
  due: string | null;
  exitCode: ExitCode;
}

/**
 * Goes on with rotations whose wait is over, and starts those of credentials that are old enough.
 * What fails for one kind keeps the other from nothing.
 */
export async function rotateDue(
  context: CommandContext,
  status: StatusReport,
  flags: RunbookFlags,
): Promise<DueRotation[]> {
  const outcomes: DueRotation[] = [];
  for (const kind of ['database', 'aws'] as const) {
    outcomes.push(await rotateIfDue(context, status, kind, flags));
  }
  return outcomes;
}

async function rotateIfDue(
  context: CommandContext,
  { credentials, rotations }: StatusReport,
  kind: CredentialKind,
  flags: RunbookFlags,
): Promise<DueRotation> {
  const under = rotations.find((one) => one.kind === kind);
  const nothing = {
    kind,
    state: null,
    runId: null,
    reason: null,
    due: null,
    exitCode: ExitCode.done,
  };
  if (under !== undefined) {
    const { due, runId, state, reason } = under;
    if (due !== null && Date.parse(due) > context.now().getTime()) {
      return { ...nothing, action: 'waits', state, runId, reason, due };
    }
    return perform(context, kind, 'continued', flags);
  }
  const mine = credentials.filter((one) => one.kind === kind);
  const old = mine.find(({ inUse, state }) => inUse && ['warning', 'critical'].includes(state));
  if (old !== undefined) return perform(context, kind, 'started', flags);
  const unknown = mine.find(({ state }) => state === 'unknown');
  return {
    ...nothing,
    action: 'none',
    reason: unknown?.summary ?? (mine.length === 0 ? 'There is none.' : 'None is due.'),
    exitCode: unknown === undefined ? ExitCode.done : ExitCode.failed,
  };
}

async function perform(
  context: CommandContext,
  kind: CredentialKind,
  action: 'started' | 'continued',
  flags: RunbookFlags,
): Promise<DueRotation> {
  try {
    const choice = { continue: action === 'continued', undo: false };
    const { state, runId, reason, due, exitCode } = await rotate(context, kind, choice, flags);
    // That it waits for its time is what was wanted.
    const waits = state === 'waiting' && due !== null;
    return { kind, action, state, runId, reason, due, exitCode: waits ? ExitCode.done : exitCode };
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    const hint = error.hint === undefined ? '' : ` ${error.hint}`;
    return {
      kind,
      action,
      state: error.exitCode === ExitCode.refused ? 'refused' : 'failed',
      runId: null,
      reason: `${error.message}${hint}`,
      due: null,
      exitCode: error.exitCode,
    };
  }
}
