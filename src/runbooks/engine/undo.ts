import { ExitCode, errorMessage, failed, OperatorError, refused } from '../../system/errors.js';
import type { ActStep, Inputs, Verified } from './definition.js';
import { Ending } from './ending.js';
import { withinLimit } from './limits.js';
import type { StepHost } from './step-host.js';
import { requireWindow } from './windows.js';

/**
 * Takes back what the acts of a run have done, last first, after a person has said yes, and looks
 * after each whether it is gone. Always throws the end of the run: `aborted`, with exit code 0, when
 * all of it was seen to be taken back.
 *
 * @throws UNDO_NOT_VERIFIED (exit 4) when the effect of one is still there; those before it stay
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
    await undoAct(act, host, signal);
  }
  const names = acts.map(({ id }) => id).join(', ');
  throw new Ending(
    'aborted',
    new OperatorError('RUN_UNDONE', ExitCode.done, `Undone on request: ${names}.`),
  );
}

async function undoAct(act: ActStep<Inputs>, host: StepHost, signal: AbortSignal): Promise<void> {
  const { id } = act;
  const startedAt = performance.now();
  await host.record({ type: 'act.undoing', step: id });
  try {
    await withinLimit(act, signal, async (limited) => {
      await act.undo?.(host.context(act, limited, 'write'));
      const { done, summary } = await seenGone(act, host, limited);
      if (done) return;
      throw failed(
        'UNDO_NOT_VERIFIED',
        `Step ${id} was undone, but what it did is not gone: ${summary}`,
        { hint: `Find out what keeps it, then: ${host.resumeCommand} --undo` },
      );
    });
  } catch (error) {
    if (!signal.aborted) {
      const seconds = (performance.now() - startedAt) / 1000;
      const summary = `Not undone: ${errorMessage(error)}`;
      await host.record({
        type: 'step.finished',
        result: { id, kind: 'act', state: 'failed', seconds, summary },
      });
    }
    throw error;
  }
  await host.record({ type: 'act.undone', step: id });
}

/** Whether the effect of an act is gone: seen in reality, as its being there was. */
async function seenGone(
  act: ActStep<Inputs>,
  host: StepHost,
  signal: AbortSignal,
): Promise<Verified> {
  const context = host.context(act, signal, 'read');
  if (act.undone !== undefined) return act.undone(context);
  const { done, summary } = await act.verify(context);
  return { done: !done, summary };
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
