import { formatBytes, formatCount } from '../system/duration.js';
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
  return {
    result: {
      runId: report.runId,
      planHash: report.planHash,
      dryRun: flags.dryRun === true,
      objectsDeleted: Number(objectsDeleted),
      bytesFreed: bytesFreed === null ? null : Number(bytesFreed),
      notes: report.plan?.notes ?? [],
    },
    plan: report.plan ?? { targets: [], totals: {} },
  };
}

/** The last lines of a purge's text. */
export function purgeLines(result: PurgeResult, planned: number, command: string): string[] {
  const { dryRun, objectsDeleted, bytesFreed, notes, planHash } = result;
  const lines = notes.map((note) => `- ${note}`);
  if (planned === 0) return [...lines, 'Nothing is to be deleted.'];
  if (dryRun) {
    return [...lines, `Nothing was changed. To do it: ${command} --plan ${planHash}`];
  }
  const freed = bytesFreed === null ? 'unknown how much' : formatBytes(bytesFreed);
  return [...lines, `Deleted ${formatCount(objectsDeleted)} objects, ${freed} freed.`];
}
