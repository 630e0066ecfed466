import { formatBytes, formatCount } from '../system/duration.js';
import { rerunCommand } from './confirm.js';
import type { CommandContext } from './context.js';
import type { RunbookFlags } from './runbook-answers.js';
import { requireSuccess, runRunbookCommand } from './runbook-command.js';

/** What every purge says of itself. */
export interface PurgeResult {
  runId: string;
  /** Null when nothing was planned. */
  planHash: string | null;
  dryRun: boolean;
  /** Gone, by what is there now; 0 in a dry run. */
  objectsDeleted: number;
  /** Null where the store does not say what it still keeps. */
  bytesFreed: number | null;
  notes: string[];
  /** The command that does what a dry run has planned; null elsewhere, and where nothing goes. */
  next: string | null;
}

export interface PurgePlan {
  targets: { name: string; action: string; state: Record<string, unknown> }[];
  totals: Record<string, unknown>;
}

/** Runs a purge to its end; throws what kept it from succeeding. */
export async function runPurge(
  context: CommandContext,
  runbook: string,
  input: object,
  flags: RunbookFlags,
): Promise<{ result: PurgeResult; plan: PurgePlan }> {
  const report = await runRunbookCommand(context, runbook, input, flags);
  requireSuccess(report);
  const act = report.steps.find(({ id }) => id === 'delete');
  const { objectsDeleted = 0, bytesFreed = 0 } = act?.verified?.evidence ?? {};
  const plan = report.plan ?? { targets: [], totals: {}, notes: [] };
  const open = flags.dryRun === true && plan.targets.length > 0 ? report.planHash : null;
  return {
    result: {
      runId: report.runId,
      planHash: report.planHash,
      dryRun: flags.dryRun === true,
      objectsDeleted: Number(objectsDeleted),
      bytesFreed: bytesFreed === null ? null : Number(bytesFreed),
      notes: plan.notes,
      next: open === null ? null : rerunCommand(context.argv, '--plan', open),
    },
    plan,
  };
}

/** The last lines of a purge's text. */
export function purgeLines(result: PurgeResult, planned: number): string[] {
  const { dryRun, objectsDeleted, bytesFreed, notes, next } = result;
  const lines = notes.map((note) => `- ${note}`);
  if (planned === 0) return [...lines, 'Nothing is to be deleted.'];
  if (dryRun) return [...lines, `Nothing was changed. To do it: ${next}`];
  const freed = bytesFreed === null ? 'unknown how much' : formatBytes(bytesFreed);
  return [...lines, `Deleted ${formatCount(objectsDeleted)} objects, ${freed} freed.`];
}
