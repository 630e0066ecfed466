import { ExitCode, OperatorError, refused } from '../../system/errors.js';
import type { ActStep, Inputs } from './definition.js';
import { Ending } from './ending.js';
import { withinLimit } from './limits.js';
import type { StepHost } from './step-host.js';
import { requireWindow } from './windows.js';

/**
 * Takes back what the acts of a run have done, last first, after a person has said yes. Always
 * throws the end of the run: `aborted`, with exit code 0, when all of it was taken back.
 *
 * @throws UNDO_IMPOSSIBLE (exit 3) when one of the acts cannot be undone; nothing was changed then
 */
export async function undoActs(host: StepHost, signal: AbortSignal): Promise<never> {
  const { runbook, memory, options } = host;
  const acts = runbook.steps
    .filter((step): step is ActStep<Inputs> => step.kind === 'act' && memory.begun.has(step.id))
    .toReversed();
  requireUndo(acts);
  await askFirst(host, acts);
  const { config, now } = options.services;
  requireWindow(config.maintenanceWindows, runbook.id, now());
  for (const act of acts) {
    await host.record({ type: 'act.undoing', step: act.id });
    await withinLimit(act, signal, async (limited) =>
      act.undo?.(host.context(act, limited, 'write')),
    );
    await host.record({ type: 'act.undone', step: act.id });
  }
  const names = acts.map(({ id }) => id).join(', ');
  throw new Ending(
    'aborted',
    new OperatorError('RUN_UNDONE', ExitCode.done, `Undone on request: ${names}.`),
  );
}

function requireUndo(acts: readonly ActStep<Inputs>[]): void {
  const lasting = acts.filter(({ undo }) => undo === undefined).map(({ id }) => id);
  if (acts.length > 0 && lasting.length === 0) return;
  throw refused(
    'UNDO_IMPOSSIBLE',
    acts.length === 0
      ? 'No act of this run has begun; there is nothing to undo.'
      : `What ${lasting.join(', ')} did cannot be undone.`,
    { hint: 'Resume the run to bring it to its end.' },
  );
}

async function askFirst(host: StepHost, acts: readonly ActStep<Inputs>[]): Promise<void> {
  const { memory, options } = host;
  if (memory.plan === undefined) throw new Error('An act began without a plan.');
  const { plan, hash } = memory.plan;
  const answer = await options.ask({
    type: 'approve',
    step: 'undo',
    text: `What was done will be undone: ${acts.map(({ title }) => title).join('; ')}.`,
    risk: 'change',
    name: host.runbook.id,
    count: acts.length,
    plan,
    planHash: hash,
    approvedBy: null,
  });
  if (answer.type === 'refused') throw new Ending('waiting', answer.error);
  if (answer.type !== 'yes') {
    throw new Ending(
      'waiting',
      refused('DECLINED', 'Nothing was undone.', { hint: host.resumeCommand }),
    );
  }
  const { by, how } = answer;
  await host.record({ type: 'approval.given', step: 'undo', by, how, plan: null });
}
